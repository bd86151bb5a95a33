"""The dialog's parts: folded to what fits, opened by their keys, what changed marked; its keys always in sight. And the
text to type: compared while it is typed, never taken from a paste.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from controller import burst, controller, quiet, settings, text_of, typed, until
from textual import events

from nexconsole.actions.plan import Confirmation, Guard, Plan, Target, Undo
from nexconsole.model import utc_now
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.plan_folds import STEPS, allot, section_keys
from nexconsole.screens.plan_lines import PARTS, PlanSection, plan_sections
from nexconsole.screens.typed_confirmation import TypedText, compared, prompt
from nexconsole.widgets.key_guard import QUIET_S
from nexconsole.widgets.spans import as_text

LETTER, TYPED = Confirmation(kind="letter", text="r"), Confirmation(kind="type", text="smsbower")
ROLE = Guard(name="role", level="block", reason="this role may not write")
PARTS_KEYS = dict(zip(PARTS, "1234567", strict=True))


def plan(**fields: Any) -> Plan:
    """A plan with more of everything than any terminal shows at once."""
    given = {
        "action": "outbox.retry",
        "arguments": {"provider": "smsbower"},
        "effect": " ".join(f"effect{n:03}" for n in range(300)),
        "command": "\n".join(f"psql -c 'UPDATE {n:02}'" for n in range(60)),
        "watch": " ".join(f"watch{n:02}" for n in range(50)),
        "undo": Undo(
            action="outbox.fail", arguments={}, command="\n".join(f"psql -c 'BACK {n:02}'" for n in range(60))
        ),
        "targets": tuple(Target(kind="event", id=f"event-{n:04}") for n in range(1000)),
        "guards": (
            *(Guard(name=f"warning{n}", level="warn", reason=f"warning{n} is weighed") for n in range(10)),
            *(Guard(name=f"check{n}", level="ok", reason=f"check{n} passed") for n in range(30)),
        ),
        "confirm": LETTER,
    }
    now = utc_now()
    return Plan(taken_at=now, expires_at=now + timedelta(seconds=60), **(given | fields))


def small(**fields: Any) -> Plan:
    few: dict[str, Any] = {"effect": "Retries it", "command": "psql -c 'UPDATE'", "watch": "it goes out", "undo": None}
    few |= {"guards": (), "targets": (Target(kind="event", id="e1", identity={"tries": 1}),)}
    return plan(**(few | fields))


async def shown(app: Any, plan: Plan, **fields: Any) -> ConfirmScreen:
    screen = ConfirmScreen(plan, fields.pop("why_again", None), app.settings, utc_now, **fields)
    app.push_screen(screen)
    await quiet(app)
    await until(lambda: screen.query_one("#cancel").size.width)
    screen.paint()
    await until(lambda: all(words in text_of(app) for words in ("> Cancel", " copies the command")))
    return screen


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 50)])
@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({}, ("r does it",)),
        ({"confirm": TYPED}, ("type the provider's name 'smsbower' to confirm, then ^Y",)),
        ({"guards": (*plan().guards, ROLE)}, ("blocked: nothing can be sent", "■ BLOCK this role")),
    ],
    ids=["letter", "typed", "blocked"],
)
async def test_no_plan_pushes_the_keys_out_of_sight_whichever_part_is_opened(
    tmp_path: Path, size: tuple[int, int], fields: dict[str, Any], keys: tuple[str, ...]
) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        screen = await shown(app, plan(**fields), why_again="the system changed " * 12)
        for part in ("", *PARTS_KEYS.values(), "8"):
            if part:
                await pilot.press(part)
                name = {"8": "again"} | {key: name for name, key in PARTS_KEYS.items()}
                assert screen._opened == (name[part] if name[part] in screen._folded else "")
            warned = "warning0" if "guards" not in fields else "role"
            always = (*keys, "> Cancel", "effect0", warned, "PRODUCTION")
            folded = ("changes 1 000 events", "psql -c 'UPDATE 00'", "psql -c 'BACK 00'", "watch00")
            folded += ("check0",) if size[1] > 15 else ()
            wanted = (*always, *(() if part else folded))
            with contextlib.suppress(AssertionError):
                await until(lambda wanted=wanted: all(words in text_of(app) for words in wanted), 3.0)
            assert [words for words in wanted if words not in text_of(app)] == [], part
            await pilot.press(*part)


@pytest.mark.parametrize("part", PARTS)
async def test_a_folded_part_says_how_much_there_is_and_its_key_opens_all_of_it(tmp_path: Path, part: str) -> None:
    words = {
        "effect": [f"effect{n:03}" for n in range(300)],
        "warnings": [f"warning{n} is weighed" for n in range(10)],
        "targets": [f"event-{n:04}" for n in range(1000)],
        "command": [f"UPDATE {n:02}" for n in range(60)],
        "undo": [f"BACK {n:02}" for n in range(60)],
        "watch": [f"watch{n:02}" for n in range(44)],  # 400 characters
        "checks": [f"check{n} passed" for n in range(30)],
    }[part]
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, plan())
        section = next(section for section in screen.sections(76) if section.name == part)
        key = PARTS_KEYS[part]
        await until(lambda: f"lines: {key}" in text_of(app))
        await pilot.press(key)
        seen = ""
        for top in range(0, len(section.lines), 4 if part == "targets" else 3):
            screen._top = top
            screen.paint()
            await pilot.pause()
            seen += text_of(app)
        assert [word for word in words if word not in seen] == []
        await pilot.press(key)
        await until(lambda: f"lines: {key}" in text_of(app))


async def test_space_opens_one_folded_part_after_the_other_and_then_none(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, plan())
        seen = []
        for _ in range(8):
            await pilot.press("space")
            seen.append(screen._opened)
        assert seen == [*PARTS, ""]
        assert "space opens what is folded" in text_of(app)


async def test_what_fits_has_no_key_to_open_it(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small())
        assert "space" not in text_of(app) and "lines:" not in text_of(app)
        await pilot.press("space", "1", "3", "down")
        assert screen._opened == "" and "r does it" in text_of(app)


def test_a_digit_that_begins_the_text_to_type_opens_nothing() -> None:
    assert dict(section_keys("")) == PARTS_KEYS | {"again": "8"}
    assert "5" not in section_keys("5").values() and len(set(section_keys("5").values())) == len(PARTS) + 1


@pytest.mark.parametrize("room", [0, 1, 3, 7, 12, 20, 40, 400])
@pytest.mark.parametrize("opened", ["", "targets", "checks"])
def test_no_part_gets_more_than_it_has_nor_all_of_them_more_than_there_is(room: int, opened: str) -> None:
    heights = dict(zip(PARTS, (50, 12, 1000, 1, 3, 2, 30), strict=True))
    sections = [PlanSection(name=name, lines=((),) * height) for name, height in heights.items()]
    rows = allot(sections, room, opened)
    assert sum(rows.values()) == min(room, sum(heights.values()))
    assert all(0 <= rows[name] <= height for name, height in heights.items())
    if room >= len(PARTS) + 2:
        assert all(rows.values()), rows
    assert not opened or room < 3 or rows[opened] >= min(room - 2, 3, heights[opened])
    assert {name for name, _ in STEPS} == {*PARTS, "again"}


# --- the text to type ----------------------------------------------------------------------------------------------


async def test_typing_goes_to_the_line_without_another_key_and_is_compared(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small(confirm=TYPED))
        line = screen.query_one(TypedText)
        assert screen.focused is not line
        await typed(pilot, "s")
        assert screen.focused is line and line.value == "s"
        for given, said in (("m", "right so far: 2 of 8"), ("z", "differs at 3"), ("s", "differs at 3")):
            await typed(pilot, given)
            await until(lambda said=said: said in text_of(app))
            assert "'smsbower' to confirm, then ^Y" in text_of(app)
        await pilot.press("backspace", "backspace")
        await typed(pilot, "sbower")
        await until(lambda: "complete" in text_of(app))
        await pilot.press("backspace")
        await until(lambda: "right so far: 7 of 8" in text_of(app))


async def test_a_letter_that_does_not_begin_the_text_keeps_its_meaning_or_is_explained(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small(confirm=TYPED))
        await pilot.press("c")
        assert app.clipboard == "psql -c 'UPDATE'" and screen.query_one(TypedText).value == ""
        await pilot.press("x")
        await until(lambda: "'x' does not begin the provider's name 'smsbower'" in text_of(app))
        assert screen.focused is screen.query_one("#cancel") and "type the provider's name" in text_of(app)
        await pilot.press("enter")
        await until(lambda: app.screen is app.console_screen)


@pytest.mark.parametrize(("text", "copies", "taken"), [("circuit", "y", "c"), ("5sim", "c", "5"), ("yes", "c", "y")])
async def test_the_text_to_type_goes_before_the_dialogs_own_keys(
    tmp_path: Path, text: str, copies: str, taken: str
) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small(confirm=Confirmation(kind="type", text=text)))
        assert f"{copies} copies the command" in text_of(app)
        await pilot.press(taken)
        assert screen.query_one(TypedText).value == taken and app.clipboard == ""


async def test_what_is_typed_before_the_line_has_the_focus_goes_to_the_line(tmp_path: Path) -> None:
    """On a loaded machine several keys come before the first one is taken: none is lost, or opens a part."""
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small(confirm=Confirmation(kind="type", text="up to 150")))
        folded = text_of(app)
        keys = [events.Key("space" if letter == " " else letter, letter) for letter in "up to 15x"]
        for n, key in enumerate([*keys, events.Key("backspace", None), events.Key("0", "0")]):
            key.time += 0.12 * n
            app.post_message(key)
        line = screen.query_one(TypedText)
        await until(lambda: line.value == "up to 150")
        await until(lambda: "complete: ^Y does it" in text_of(app))
        assert screen.focused is line and app.clipboard == "" and ("more" in text_of(app)) == ("more" in folded)
        await pilot.press("tab")
        assert screen.focused is screen.query_one("#cancel")
        await pilot.press("space", "x")
        assert line.value == "up to 150"


async def test_characters_keep_their_order_while_the_focus_goes_to_the_line(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small(confirm=Confirmation(kind="type", text="number")))
        await pilot.press("n")
        line, cancel = screen.query_one(TypedText), screen.query_one("#cancel")
        late, next_one = events.Key("u", "u"), events.Key("m", "m")
        next_one.time += 0.12
        cancel.post_message(late)  # handed over before the line had the focus
        line.post_message(next_one)
        await until(lambda: len(line.value) == 3)
        assert line.value == "num"
        line.cursor_position = 0
        await pilot.press("shift+right", "x")
        await until(lambda: line.value == "xum")


async def test_a_key_from_before_the_dialog_stood_types_nothing(tmp_path: Path) -> None:
    from controller import GUARDS

    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        with GUARDS.still():
            screen = ConfirmScreen(small(confirm=TYPED), None, app.settings, utc_now)
            app.push_screen(screen)
            await until(lambda: app.screen is screen)
            await pilot.press("s")
            assert screen.query_one(TypedText).value == "" and screen.focused is screen.query_one("#cancel")


@pytest.mark.parametrize("into_the_line", [False, True])
async def test_a_paste_is_refused_and_said_however_the_terminal_hands_it_over(
    tmp_path: Path, into_the_line: bool
) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small(confirm=TYPED))
        line, given = screen.query_one(TypedText), []
        app.push_screen_wait = given.append
        if into_the_line:
            line.focus()
        app.post_message(events.Paste("smsbower"))
        await until(lambda: "as if pasted" in text_of(app))
        assert line.value == ""
        screen.say("")
        burst(app, *"smsbower")
        await until(lambda: "as if pasted" in text_of(app))
        assert line.value == ""
        screen.say("")
        await quiet(app, QUIET_S)
        for character in "smsbower":  # by a terminal that hands over one character after the other
            app.post_message(events.Key(character, character))
            await asyncio.sleep(0.01)
        await until(lambda: "as if pasted" in text_of(app))
        assert line.value == ""
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert app.screen is screen
        line.focus()
        await asyncio.sleep(0.2)
        await quiet(app, QUIET_S)
        await typed(pilot, "smsbower")
        assert line.value == "smsbower"


@pytest.mark.parametrize(
    ("given", "right", "said"),
    [
        ("", 0, ""),
        ("s", 1, "right so far: 1 of 8"),
        ("smsbower", 8, "complete: ^Y does it"),
        ("smsbowers", 8, "differs at 9"),
        ("Smsbower", 0, "differs at 1"),
        ("smsbowr", 6, "differs at 7"),
    ],
)
def test_what_is_typed_so_far_is_compared(given: str, right: int, said: str) -> None:
    assert (compared(given, "smsbower")[0], compared(given, "smsbower")[1][0]) == (right, said)


@pytest.mark.parametrize("width", [12, 20, 38, 76])
@pytest.mark.parametrize("right", [0, 3, 10])
def test_the_prompt_is_broken_between_words_and_nothing_of_it_is_lost(width: int, right: int) -> None:
    lines = prompt(
        "type the words ", "reconcile up to 150", ((" to confirm, then ", "text"), ("^Y", "key")), right, False, width
    )
    rows = as_text(lines).split("\n")
    assert " ".join(rows) == "type the words 'reconcile up to 150' to confirm, then ^Y"
    assert max(map(len, rows)) <= width


# --- what changed since it was shown ---------------------------------------------------------------------------------


def marked(before: Plan, plan: Plan, width: int = 78) -> dict[str, list[str]]:
    return {
        section.name: as_text(section.lines).split("\n")
        for section in plan_sections(plan, None, width, before)
        if section.changes
    }


def test_what_changed_since_it_was_shown_is_marked_line_by_line() -> None:
    events_then = tuple(Target(kind="event", id=f"e{n}", identity={"tries": 1}) for n in range(4))
    events_now = (
        *events_then[:2],
        Target(kind="event", id="e2", identity={"tries": 2}, shown={"age_s": 60}),
        Target(kind="event", id="e9", identity={"tries": 1}),
    )
    then = small(targets=events_then, effect="Retries 4 events", command="one\ntwo\nthree")
    now = small(targets=events_now, effect="Retries 3 events", command="one\n2\nthree", guards=(ROLE,))
    assert marked(then, now) == {
        "effect": ["- Retries 4 events", "+ Retries 3 events"],
        "warnings": ["+ ■ BLOCK this role may not write"],
        "targets": [
            "  changes 4 events",
            "- > e2  tries 1",
            "+ > e2  age 60 s  tries 2",
            "- > e3  tries 1",
            "+ > e9  tries 1",
            "  > e0  tries 1",
            "  > e1  tries 1",
        ],
        "command": ["  command  one", "-          two", "+          2", "  " + " " * 9 + "three"],
    }


def test_a_plan_that_is_only_older_has_no_marks_nor_have_ages_of_readings() -> None:
    def of(age_s: int) -> Plan:
        guard = Guard(name="read", level="ok", reason=f"transactions were read {age_s} s ago")
        return small(targets=(Target(kind="event", id="e1", shown={"age_s": age_s}),), guards=(guard,))

    assert marked(of(2), of(9)) == {}


async def test_a_plan_that_is_shown_again_shows_what_changed_before_its_keys(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, _):
        before = small(effect="Retries 4 events")
        await shown(app, small(effect="Retries 3 events"), why_again="the system changed", before=before)
        rows = [row.strip(" ┃") for row in text_of(app).split("\n")]
        first = rows.index("the system changed")
        assert rows[first + 1 : first + 3] == ["- Retries 4 events", "+ Retries 3 events"]
        assert rows.index("> Cancel  esc changes nothing") > first


async def test_the_dialog_names_the_keys_in_force(tmp_path: Path) -> None:
    keys = {"confirm.unfold": "f6", "confirm.part3": "f3", "confirm.cancel": "escape,f9", "confirm.down": "f7"}
    async with controller(settings(tmp_path, keys=keys), size=(80, 24)) as (app, pilot):
        screen = await shown(app, plan())
        await until(lambda: "f6 opens what is folded" in text_of(app) and "lines: f3" in text_of(app))
        await pilot.press("f3")
        assert screen._opened == "targets"
        await until(lambda: ": f7, f3 folds" in text_of(app))
        await pilot.press("f9")
        await until(lambda: app.screen is app.console_screen)


@pytest.mark.parametrize("kind", [LETTER, TYPED])
async def test_where_there_is_no_room_to_see_what_it_does_nothing_is_confirmed(
    tmp_path: Path, kind: Confirmation
) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await shown(app, small(confirm=kind))
        await pilot.resize_terminal(20, 5)
        await until(lambda: "too small" in text_of(app) and "Retries" not in text_of(app))

        async def confirm() -> None:
            await quiet(app)
            if kind is TYPED:
                await typed(pilot, "smsbower")
            await pilot.press("ctrl+y" if kind is TYPED else "r")
            await pilot.pause(0.5)

        await confirm()
        assert app.screen is screen
        if kind is TYPED:
            await pilot.press(*["backspace"] * 8)
        await pilot.resize_terminal(80, 24)
        await until(lambda: "Retries it" in text_of(app))
        await confirm()
        await until(lambda: app.screen is not screen)
