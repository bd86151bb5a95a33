"""The pods' logs on screen: every key does what it says, and nothing in a line does harm."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from controller import controller, quiet, settings, text_of, until
from pod_lines import line, pods

from nexconsole.app import NexConsole
from nexconsole.screens.key_help import KeyHelp
from nexconsole.screens.pod_logs import PodLogs
from nexconsole.screens.prompt import Prompt
from nexconsole.sources.log_view import KEPT, KEPT_HELD
from nexconsole.text.units import count
from nexconsole.widgets.privacy import MASKER

HOSTILE = ("[/]", "[red]x", "\x1b[31m\x1b]0;t\x07", "👩‍👩‍👧 👍🏽", "\u202eevil", "x" * 100_000)


def pino(level: str, msg: str, **fields: object) -> str:
    return json.dumps({"level": level, "time": 1, **fields, "msg": msg}, separators=(",", ":"))


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[tuple[NexConsole, Any]]:
    async with controller(settings(tmp_path), follow=False) as (app, pilot):
        yield app, pilot


def show(app: NexConsole, kubernetes: Any, of: str = "", pod: str = "", **providers: tuple[str, ...]) -> PodLogs:
    screen = PodLogs(kubernetes, of, pod, lambda: providers)
    app.push_screen(screen)
    return screen


def add(kubernetes: Any, pod: str, *texts: tuple[int, str]) -> None:
    lines = [line(n, text) for n, text in texts]
    kubernetes.logs.followed[pod].recent.add(lines, sum(map(len, lines)))


def frame(app: NexConsole) -> str:
    """The page's upper edge."""
    return next(row for row in text_of(app).splitlines() if row.startswith("┏"))


def cursor(app: NexConsole) -> str:
    """The row under the cursor."""
    return next((row for row in text_of(app).splitlines() if row.startswith("┃>")), "")


async def answered(app: NexConsole, pilot: Any, key: str, *keys: str) -> None:
    """Press the key that asks, and answer."""
    page = app.screen
    await pilot.press(key)
    await until(lambda: isinstance(app.screen, Prompt))
    await quiet(app)
    await pilot.press(*keys)
    await until(lambda: app.screen is page)
    await pilot.pause()


async def test_lines_of_all_pods_stand_in_the_order_of_their_times_each_with_time_pod_and_level(shown: Any) -> None:
    app, _ = shown
    kubernetes = pods("nexnum-app-7d9f-aaaaa", "nexnum-app-7d9f-bbbbb")
    for n in range(10):
        add(kubernetes, kubernetes.logs.names[n % 2], (n, f"line {n} end"))
    screen = show(app, kubernetes)
    await until(lambda: "line 9 end" in text_of(app))
    places = [text_of(app).index(f"line {n} end") for n in range(10)]
    assert places == sorted(places)
    add(kubernetes, "nexnum-app-7d9f-aaaaa", (20, pino("error", "and later", status=503)))
    kubernetes.logs.followed["nexnum-app-7d9f-bbbbb"].recent.add([b"without any time"], 20)
    await until(lambda: "and later" in text_of(app) and "without any time" in text_of(app))
    assert "08:00:20 aaaaa ERROR  and later  status=503" in text_of(app)
    assert "no time  bbbbb        without any time" in text_of(app)
    assert "2 of 2 pods" in frame(app) and screen.view.dropped == 0


async def test_only_the_lines_of_a_provider_are_shown_and_a_json_line_by_its_message(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    said = pino("error", "Request failed", context="DynamicProvider:smsbower", api_key="hush-hush")
    add(kubernetes, "app-a", (1, "of 5sim"), (2, said), (3, "of SMSBOWER Ltd"), (4, "of smsbower-two"))
    show(app, kubernetes, "smsbower", smsbower=("SMSBower Ltd",), **{"5sim": ()})
    await until(lambda: "ERROR  [DynamicProvider:smsbower] Request failed" in text_of(app))
    assert "only provider smsbower" in text_of(app) and "of SMSBOWER Ltd" in text_of(app)
    assert not any(words in text_of(app) for words in ("of 5sim", "hush", "smsbower-two"))
    await answered(app, pilot, "r", "5", "tab", "enter")
    assert "of 5sim" in text_of(app) and "only provider 5sim" in text_of(app)
    await answered(app, pilot, "r", "enter")
    assert all(words in text_of(app) for words in ("of 5sim", "smsbower-two")) and "only" not in text_of(app)


async def test_providers_are_offered_with_most_errors_first(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", *((n, "[DynamicProvider:often] GET x") for n in range(9)))
    add(kubernetes, "app-a", (10, pino("error", "no", context="DynamicProvider:failing")))
    show(app, kubernetes, Failing=(), silent=())
    await until(lambda: "often" in text_of(app))
    await answered(app, pilot, "r", "tab", "enter")
    assert "only provider Failing" in text_of(app)
    assert "often" not in text_of(app) and "ERROR" in text_of(app)


async def test_what_the_runbook_asks_for_that_is_no_provider_is_looked_for_as_words(shown: Any) -> None:
    app, _ = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", (1, "context OUTBOX here"), (2, "nothing"))
    show(app, kubernetes, "OUTBOX", smsbower=())
    await until(lambda: "context OUTBOX here" in text_of(app))
    assert "only words OUTBOX" in text_of(app) and "nothing" not in text_of(app)


async def test_words_filter_while_they_are_typed_and_escape_takes_them_back(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", (1, "GET timeout"), (2, "POST timeout"), (3, "GET fine"))
    show(app, kubernetes)
    await until(lambda: "GET fine" in text_of(app))
    page = app.screen
    await pilot.press("slash")
    await until(lambda: isinstance(app.screen, Prompt))
    await quiet(app)
    await pilot.press(*"timeout -post")
    await until(lambda: "GET fine" not in text_of(app) and "POST timeout" not in text_of(app))
    assert "GET timeout" in text_of(app)
    await pilot.press("escape")
    await until(lambda: app.screen is page and "GET fine" in text_of(app) and "POST timeout" in text_of(app))
    await answered(app, pilot, "slash", *"get", "enter")
    assert "only words get" in text_of(app) and "POST" not in text_of(app)
    await answered(app, pilot, "slash", *" fine", "enter")  # what stands there is gone on with
    assert "only words get fine" in text_of(app) and "GET timeout" not in text_of(app)


async def test_filters_combine_are_shown_and_are_removed_the_last_one_first(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("nexnum-app-aaaaa", "nexnum-app-bbbbb")
    add(kubernetes, "nexnum-app-aaaaa", (1, pino("info", "5sim sold one")), (2, pino("warn", "5sim is slow")))
    add(kubernetes, "nexnum-app-bbbbb", (3, pino("error", "5sim failed")), (4, pino("error", "smsbower failed")))
    show(app, kubernetes, **{"5sim": ()})
    await until(lambda: "smsbower failed" in text_of(app))
    await pilot.press("v")
    assert "only warnings and worse" in text_of(app) and "sold one" not in text_of(app)
    await answered(app, pilot, "r", *"5sim", "enter")
    assert "warnings and worse, provider 5sim" in text_of(app) and "smsbower failed" not in text_of(app)
    await pilot.press("tab")
    assert "Log of nexnum-app-aaaaa" in frame(app)
    assert "5sim is slow" in text_of(app) and "5sim failed" not in text_of(app)
    await pilot.press("tab")
    assert "Log of nexnum-app-bbbbb" in frame(app) and "5sim failed" in text_of(app)
    await pilot.press("backspace")
    assert "Pods' logs" in frame(app) and "5sim is slow" in text_of(app)
    await pilot.press("backspace")
    assert "only warnings and worse" in text_of(app) and "smsbower failed" in text_of(app)
    await pilot.press("v")
    assert "only errors" in text_of(app) and "is slow" not in text_of(app)
    await pilot.press("backspace")
    assert "only" not in text_of(app) and "sold one" in text_of(app)


async def test_where_no_line_is_kept_it_is_said_how_far_back_was_looked(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    show(app, kubernetes)
    await until(lambda: "no line yet" in text_of(app))
    add(kubernetes, "app-a", (5, "one"), (6, "two"))
    await until(lambda: "two" in text_of(app))
    await answered(app, pilot, "slash", *"three", "enter")
    assert "no such line among the 2 lines kept, back to 08:00:05" in text_of(app)


async def test_the_log_of_one_pod_holds_its_lines_only_and_one_that_is_not_followed_is_asked_for(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a", "app-b")
    for name in ("app-a", "app-b"):
        add(kubernetes, name, (1, f"said by {name}"))
    show(app, kubernetes, pod="app-b")
    await until(lambda: "said by app-b" in text_of(app))
    assert "said by app-a" not in text_of(app) and "Log of app-b" in frame(app)
    assert kubernetes.logs.asked.name == "app-b"
    await pilot.press("escape")
    await until(lambda: app.screen is app.console_screen)
    assert kubernetes.logs.asked.name == ""
    show(app, kubernetes, pod="app-c")
    await until(lambda: "the log of app-c is not followed: it is asked for now" in text_of(app))
    kubernetes.logs.asked.why = "its container does not run: CrashLoopBackOff"
    await until(lambda: "not followed: its container does not run: CrashLoopBackOff" in text_of(app))


async def test_a_pod_is_chosen_by_the_end_of_its_name(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("nexnum-app-aaaab", "nexnum-app-bbbbb")
    for name in kubernetes.logs.names:
        add(kubernetes, name, (1, f"said by {name}"))
    page = show(app, kubernetes)
    await until(lambda: "said by" in text_of(app))
    await pilot.press("o")
    await until(lambda: isinstance(app.screen, Prompt))
    await quiet(app)
    await pilot.press("b", "enter")
    await until(lambda: "2 pods' names end so" in text_of(app))
    await pilot.press("backspace", *"xyz", "enter")
    await until(lambda: "no pod has this name" in text_of(app))
    await pilot.press(*["backspace"] * 3, *"aab", "enter")
    await until(lambda: app.screen is page)
    await until(lambda: "Log of nexnum-app-aaaab" in frame(app))
    assert "said by nexnum-app-bbbbb" not in text_of(app)


async def test_paused_lines_stay_where_they_are_while_new_ones_are_counted(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", *((n, f"line {n:04} end") for n in range(100)))
    screen = show(app, kubernetes)
    await until(lambda: "line 0099 end" in text_of(app))
    await pilot.press("p")
    rows = text_of(app).splitlines()[4:]
    assert "line 0099 end" in cursor(app)
    add(kubernetes, "app-a", *((200 + n, f"late {n:04} end") for n in range(50)))
    await until(lambda: "PAUSED, 50 new lines below" in frame(app))
    assert text_of(app).splitlines()[4:] == rows
    for n in range(12):
        add(kubernetes, "app-a", *((300 + n, "flood") for _ in range(500)))
        screen.read()
    await until(lambda: "of them not kept" in frame(app))
    assert "PAUSED, 6 050 new lines below" in frame(app)
    assert len(screen.view.kept) == KEPT_HELD and text_of(app).splitlines()[4:] == rows
    await pilot.press("G")
    await until(lambda: "PAUSED" not in frame(app) and "lines dropped" in frame(app))
    assert len(screen.view.kept) == KEPT and not cursor(app)
    await pilot.press("g")
    assert "PAUSED, 0 new lines below" in frame(app) and f"line 1 of {count(KEPT)}" in frame(app)
    await pilot.press("p")
    assert "PAUSED" not in frame(app)
    await pilot.press("escape")
    await until(lambda: app.screen is app.console_screen)


async def test_going_up_pauses_and_going_down_past_the_last_line_follows_again(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", *((n, f"line {n:04} end") for n in range(100)))
    show(app, kubernetes)
    await until(lambda: "line 0099 end" in text_of(app))
    await pilot.press("j")
    assert "PAUSED" not in frame(app)  # there is nothing further
    await pilot.press("k")
    assert "line 0098 end" in cursor(app) and "PAUSED, 0 new lines below" in frame(app)
    await pilot.press("j")
    assert "line 0099 end" in cursor(app)
    await pilot.press("j")
    assert "PAUSED" not in frame(app) and not cursor(app)
    await pilot.press("pageup", "pageup")
    above = int(cursor(app).partition("line ")[2][:4])
    assert above < 60
    for _ in range(4):
        await pilot.press("pagedown")
    assert "PAUSED" not in frame(app)


async def test_brackets_go_from_error_to_error(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    levels = {20: "error", 50: "fatal", 51: "warn"}
    add(kubernetes, "app-a", *((n, pino(levels.get(n, "info"), f"line {n} end")) for n in range(200)))
    show(app, kubernetes)
    await until(lambda: "line 199 end" in text_of(app))
    await pilot.press("right_square_bracket")
    assert "no error below" in text_of(app) and "PAUSED" not in frame(app)
    await pilot.press("left_square_bracket")
    assert "FATAL  line 50 end" in cursor(app) and "line 55 end" in text_of(app) and "line 45 end" in text_of(app)
    await pilot.press("left_square_bracket")
    assert "ERROR  line 20 end" in cursor(app)
    await pilot.press("left_square_bracket")
    assert "no error above, in the 200 lines that are kept here" in text_of(app)
    await pilot.press("right_square_bracket")
    assert "FATAL  line 50 end" in cursor(app)


async def test_a_purchase_is_followed_across_pods_and_escape_leaves_it_first(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-aaaaa", "worker-bbbbb")
    one = {"requestId": "req_1_abcdef", "context": "PURCHASE", "correlationId": "purchase_1_x"}
    add(
        kubernetes,
        "app-aaaaa",
        (1, pino("info", "[PURCHASE_INIT] asked", **one)),
        (2, pino("info", "of somebody else", requestId="req_2_abcdef")),
        (3, pino("info", "[PURCHASE_RESERVE_SUCCESS] reserved", **one, activationId="act-000001")),
        (4, pino("error", "Request failed", requestId="req_1_abcdef")),
        (4, "    at lib/route.js"),
    )
    add(kubernetes, "worker-bbbbb", (9, "[Reconcile] Activation act-000001 -> FAILED (stuck)"), (10, "idle"))
    show(app, kubernetes)
    await until(lambda: "idle" in text_of(app))
    await pilot.press("enter")
    assert "choose the line" in text_of(app) and "idle" in cursor(app)
    await pilot.press("left_square_bracket", "left_square_bracket")
    assert "Request failed" in cursor(app)
    await pilot.press("enter")
    assert "one purchase" in frame(app) and "purchase_1_x, 4 lines of 2 pods" in text_of(app)
    assert "esc leaves it" in text_of(app) and "08:00:01 to 08:00:09" in text_of(app)
    assert "at lib/route.js" in text_of(app) and "[Reconcile] Activation act-000001" in text_of(app)
    assert not any(words in text_of(app) for words in ("somebody else", "idle"))
    assert "Request failed" in cursor(app)
    await pilot.press("escape")
    assert isinstance(app.screen, PodLogs) and "of somebody else" in text_of(app) and "Request failed" in cursor(app)
    await pilot.press("escape")
    await until(lambda: app.screen is app.console_screen)


async def test_a_line_without_an_id_and_one_whose_id_is_its_own_say_so(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", (1, "[PURCHASE] Attempting purchase: {"), (2, pino("info", "x", requestId="req_2_abcdef")))
    show(app, kubernetes)
    await until(lambda: "INFO   x" in text_of(app))
    await pilot.press("p", "f")
    assert "req_2_abcdef, on this line only: old versions give each line its own" in text_of(app)
    await pilot.press("escape", "k", "f")
    assert "carries no id" in text_of(app) and "one purchase" not in frame(app)


async def test_lines_that_do_not_wrap_are_read_to_their_end_sideways(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    long = " ".join(f"word{n:03}" for n in range(400))
    add(kubernetes, "app-a", (1, f"{long} end-of-it"), (2, "Request failed {"), (2, "  deep: 1"))
    page = show(app, kubernetes)
    await until(lambda: "deep: 1" in text_of(app))
    assert "left" not in page.active_bindings or not page.active_bindings["left"].enabled
    await pilot.press("w")
    rows = [row for row in text_of(app).splitlines() if "word" in row]
    assert len(rows) == 1 and "word000" in rows[0] and rows[0].rstrip(" ┃").endswith("…")
    assert "deep: 1" in text_of(app)
    seen = set()
    for _ in range(100):
        seen |= {word for word in text_of(app).split() if re.fullmatch(r"word\d{3}", word)}
        if "end-of-it" in text_of(app):
            break
        await pilot.press("right")
    assert seen == {f"word{n:03}" for n in range(400)}
    left = page.rows.left
    for _ in range(5):
        await pilot.press("right")
    assert page.rows.left - left < page.rows.room()  # the end stays in sight
    for _ in range(200):
        await pilot.press("left")
    assert page.rows.left == 0 and "word000" in text_of(app)
    await pilot.press("w")
    assert "word200" in text_of(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_long_line_is_wrapped_and_nothing_of_it_is_left_out(tmp_path: Path, size: tuple[int, int]) -> None:
    async with controller(settings(tmp_path), size=size, follow=False) as (app, pilot):
        kubernetes = pods("app-a")
        long = " ".join(f"word{n:03}" for n in range(60)) + " " + "x" * 150 + "end-of-it"
        add(kubernetes, "app-a", *((n, f"short {n:02} end") for n in range(60)), (99, long))
        show(app, kubernetes)
        await until(lambda: "word000" in text_of(app))
        shown = text_of(app)
        assert all(f"word{n:03}" in shown for n in range(60))
        joined = "".join(row.strip("┃│ ▐") for row in shown.splitlines())
        assert "x" * 150 + "end-of-it" in joined and "…" not in shown.partition("┏")[2].partition("┗")[0]
        await pilot.press("g")
        await until(lambda: "short 00 end" in text_of(app))
        assert "PAUSED" in text_of(app)
        for _ in range(75):
            await pilot.press("j")
        await until(lambda: "end-of-it" in "".join(row.strip("┃│ ▐") for row in text_of(app).splitlines()))


async def test_a_line_higher_than_the_page_is_scrolled_to_its_end(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    words = [f"word{n:04}" for n in range(1500)]
    add(kubernetes, "app-a", (1, " ".join(words)), (2, "after it"))
    show(app, kubernetes)
    await until(lambda: "after it" in text_of(app))
    await pilot.press("g")
    seen: set[str] = set()
    for _ in range(400):
        seen |= {word for word in text_of(app).split() if word.startswith("word")}
        if "after it" in cursor(app):
            break
        await pilot.press("j")
    assert seen == set(words) and "after it" in cursor(app)


async def test_what_is_copied_is_what_is_in_sight_or_the_whole_line_under_the_cursor(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("nexnum-app-aaaaa")
    long = "y" * 900
    add(kubernetes, "nexnum-app-aaaaa", (1, "first"), (2, pino("error", "failed", body=long)), (2, "    at x.js"))
    show(app, kubernetes)
    await until(lambda: "at x.js" in text_of(app))
    await pilot.press("C")
    assert "no line is under a cursor" in text_of(app)
    await pilot.press("p", "C")
    line_of = app.clipboard
    assert line_of == f"2027-01-15 08:00:02Z nexnum-app-aaaaa ERROR failed body={long}\n  at x.js"
    await pilot.press("c")
    rows = app.clipboard.splitlines()
    assert rows[0] == "08:00:01 aaaaa        first" and rows[1].startswith("08:00:02 aaaaa ERROR  failed")
    assert "┃" not in app.clipboard and rows[-1].strip() == "at x.js"


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:12])
@pytest.mark.usefixtures("every_frame")
async def test_hostile_lines_do_no_harm(shown: Any, text: str, wrap: bool) -> None:
    app, pilot = shown
    kubernetes = pods(text[:200])
    lines = [
        line(1, text),
        line(2, '{"msg": ' + repr(text)[:300].replace("'", '"') + "}"),
        line(3, json.dumps({"level": 10**9, "msg": text, "correlationId": text, "context": text, text: text})),
        line(4, '{"level":' + "9" * 9000),
        text.encode(errors="replace"),
    ]
    next(iter(kubernetes.logs.followed.values())).recent.add(lines, 100)
    page = show(app, kubernetes)
    page.rows.wrap = wrap
    await pilot.pause(0.3)
    assert all(each.isprintable() for each in text_of(app).splitlines())
    for key in ("k", "k", "C", "f", "v", "tab", "left_square_bracket", "g"):
        await pilot.press(key)
        assert all(each.isprintable() for each in text_of(app).splitlines())
    assert app.clipboard.replace("\n", "").isprintable()


async def test_rows_that_were_drawn_before_the_screen_was_shared_are_masked_when_it_is(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", (1, pino("info", "called +447700900123 back")))
    show(app, kubernetes)
    await until(lambda: "447700900123" in text_of(app))
    MASKER.enable()
    try:
        app.screen.paint()
        await pilot.pause()
        assert "447700900123" not in text_of(app) and "called" in text_of(app)
    finally:
        MASKER.disable()


async def test_on_a_shared_screen_the_words_of_a_filter_are_looked_for_in_what_is_seen(shown: Any) -> None:
    app, _ = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", (1, pino("info", "called +447700900123 back")), (2, pino("info", "another line")))
    page = show(app, kubernetes)
    page.choose("words", "4477009")
    await until(lambda: len(page.view.kept) == 1)
    MASKER.enable()
    try:
        await until(lambda: not page.view.kept)
        page.choose("words", "called")
        await until(lambda: len(page.view.kept) == 1)
    finally:
        MASKER.disable()
    page.choose("words", "4477009")
    await until(lambda: len(page.view.kept) == 1)


@pytest.mark.parametrize("size", [(40, 10), (20, 5), (12, 3), (200, 50)])
async def test_the_page_fits_any_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    async with controller(settings(tmp_path), size=size, follow=False) as (app, pilot):
        kubernetes = pods("nexnum-app-aaaaa", "nexnum-app-bbbbb")
        for name in kubernetes.logs.names:
            add(kubernetes, name, *((n, pino("warn", f"line {n}", a="b " * 40)) for n in range(50)))
        show(app, kubernetes)
        await pilot.pause(0.3)
        for key in ("k", "v", "tab", "w", "right", "w", "pageup", "g", "left_square_bracket", "f", "G", "p"):
            await pilot.press(key)
            assert all(len(row) == size[0] for row in text_of(app).splitlines())


async def test_its_keys_are_listed_where_they_work(shown: Any) -> None:
    app, pilot = shown
    kubernetes = pods("app-a")
    add(kubernetes, "app-a", (1, "one"))
    show(app, kubernetes)
    await until(lambda: "one" in text_of(app))
    await pilot.press("question_mark")
    await until(lambda: isinstance(app.screen, KeyHelp))
    told = " ".join(text_of(app).split())
    assert "Only lines with these words; -word: without it" in told and "Back to the left" not in told


async def test_without_kubernetes_it_is_said(shown: Any) -> None:
    app, pilot = shown
    await pilot.press("l")
    await pilot.pause()
    assert "neither kubernetes nor docker is configured" in text_of(app)
