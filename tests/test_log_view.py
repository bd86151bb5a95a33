"""The pods' logs as one list: its order, its bounds, what is counted as lost, and what stays still while it is held."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pod_lines import line

from nexconsole.sources import log_view
from nexconsole.sources.line_buffer import KEPT_BYTES, LineBuffer
from nexconsole.sources.log_filter import LogFilter, PurchaseFilter
from nexconsole.sources.log_view import A_LOOK, GONE_KEPT, KEPT, KEPT_HELD, LogView, short_names
from nexconsole.sources.pod_log import PodLog


def logs(*names: str) -> dict[str, PodLog]:
    return {f"uid-{name}": PodLog(name) for name in names}


def add(log: PodLog, *lines: bytes) -> None:
    log.recent.add(list(lines), sum(map(len, lines)))


def taken(view: LogView, pods: Mapping[str, PodLog]) -> LogView:
    """As in three turns: what is complete by then is there."""
    for _ in range(3):
        while not view.take(pods, 10.0):
            pass
        while not view.read_back(10.0):
            pass
    return view


def said(view: LogView) -> list[str]:
    return [entry.words.message for entry in view.kept]


def test_lines_of_all_pods_stand_in_the_order_of_the_kubelets_times_however_late_they_are_read() -> None:
    pods = logs("a", "b")
    add(pods["uid-a"], line(1, "one"), line(4, "four"))
    add(pods["uid-b"], line(2, "two"))
    view = taken(LogView(), pods)
    assert said(view) == ["one", "two", "four"]
    add(pods["uid-b"], line(3, "three"), line(5, "five"))  # its kubelet answered late
    assert said(taken(view, pods)) == ["one", "two", "three", "four", "five"]


def test_a_pod_s_own_lines_stay_in_its_order_though_its_node_s_clock_was_set_back() -> None:
    pods = logs("a")
    add(pods["uid-a"], line(9, "first"), line(3, "second"), line(10, "third"))
    assert said(taken(LogView(), pods)) == ["first", "second", "third"]


def test_lines_without_a_time_stay_behind_the_line_before_them() -> None:
    pods = logs("a", "b")
    add(pods["uid-a"], line(1, "one"), b"no time", line(4, "four"))
    add(pods["uid-b"], line(2, "two"))
    view = taken(LogView(), pods)
    assert said(view) == ["one", "no time", "two", "four"] and view.kept[1].at is None


def test_a_stack_belongs_to_its_line_though_another_pod_wrote_in_between_and_it_came_in_pieces() -> None:
    pods = logs("a", "b")
    add(pods["uid-a"], line(1, "Request failed: {"), line(1, "    at one"))
    add(pods["uid-b"], line(1, "of another pod"))
    view = LogView()
    view.take(pods)
    add(pods["uid-a"], line(5, "next"), line(5, "Request failed: {"))
    view.take(pods)
    add(pods["uid-a"], line(6, "    at two"), line(6, "}"), line(7, "last"))
    taken(view, pods)
    stacks = [entry.words.more for entry in view.kept if entry.words.message.startswith("Request")]
    assert stacks == [("    at one",), ("    at two", "}")]
    assert said(view) == ["Request failed: {", "of another pod", "next", "Request failed: {", "last"]


def test_an_entry_is_judged_when_it_is_whole() -> None:
    pods = logs("a")
    view = taken(LogView(LogFilter(words="deep.js")), pods)
    add(pods["uid-a"], line(1, "Request failed"))
    view.take(pods)
    assert not view.kept
    add(pods["uid-a"], line(1, "    at deep.js"))
    view.take(pods)
    view.take(pods)
    assert said(view) == ["Request failed"]


def test_an_endless_object_is_several_entries_and_nothing_of_it_is_lost() -> None:
    pods = logs("a")
    add(pods["uid-a"], line(1, "{ begin"), *(line(1, f"  {n}") for n in range(1000)))
    view = taken(LogView(), pods)
    assert sum(1 + len(entry.more) for entry in view.kept) == 1001
    assert max(len(entry.more) for entry in view.kept) <= log_view.MOST_LINES


def test_what_comes_too_fast_is_counted() -> None:
    pods = logs("a")
    view = taken(LogView(), pods)
    add(pods["uid-a"], *(line(n, "x") for n in range(A_LOOK + 500)))
    view.take(pods)
    assert view.dropped == 500
    for _ in range(20):
        pods["uid-a"].recent.add([line(1, "y" * 80)] * 800, KEPT_BYTES // 4)
    view.take(pods)
    assert view.dropped == 500 + 20 * 800 - A_LOOK
    assert len(taken(view, pods).kept) <= KEPT


def test_what_was_there_before_the_page_opened_is_not_counted_as_lost() -> None:
    pods = logs("a")
    for _ in range(20):
        pods["uid-a"].recent.add([line(1, "y")] * 800, KEPT_BYTES // 4)
    assert taken(LogView(), pods).dropped == 0


def test_memory_is_bounded_in_lines_and_in_bytes() -> None:
    pods = logs(*(f"p{n}" for n in range(60)))
    view = taken(LogView(), pods)
    for n in range(60):
        for log in pods.values():
            add(log, *(line(n, "z" * 16_000) for _ in range(4)))
        view.take(pods)
        assert sum(entry.size for entry in view.kept) <= log_view.MOST_BYTES + 60 * 4 * 16_384
    view = taken(view, pods)
    assert sum(entry.size for entry in view.kept) <= log_view.MOST_BYTES
    assert all(sum(e.size for e in pod.entries) <= KEPT_BYTES for pod in view._pods.values())


def test_a_filter_reads_again_from_what_is_kept_of_each_pod_and_finds_what_had_scrolled_away() -> None:
    pods = logs("a", "b")
    view = taken(LogView(), pods)
    add(pods["uid-b"], line(1, "the needle"))
    taken(view, pods)
    for n in range(5):
        add(pods["uid-a"], *(line(10 + n, "hay") for _ in range(A_LOOK // 2)))
        taken(view, pods)
    assert len(view.kept) == KEPT and "the needle" not in said(view)
    view.choose(LogFilter(words="needle"))
    assert said(taken(view, pods)) == ["the needle"]
    view.choose(LogFilter())
    assert len(taken(view, pods).kept) == KEPT
    assert view.looked_at[0] == 2501 and view.dropped == 0


def test_reading_back_goes_in_slices_newest_first_while_new_lines_come(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = logs("a")
    add(pods["uid-a"], *(line(n, f"line {n}") for n in range(1500)))
    view = taken(LogView(), pods)
    seconds = count()
    monkeypatch.setattr(log_view, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))  # each look takes long
    view.choose(LogFilter(words="line"))
    part = said(view)
    assert view.reading_back and 0 < len(part) < 200
    assert part == [f"line {n}" for n in range(1500 - len(part), 1500)]
    add(pods["uid-a"], line(2000, "line 2000"))
    for _ in range(100):
        view.take(pods)
        view.read_back()
    assert said(view) == [*(f"line {n}" for n in range(1500)), "line 2000"] and not view.reading_back


def test_nothing_above_moves_while_it_is_held_and_what_comes_is_counted() -> None:
    pods = logs("a", "b")
    add(pods["uid-a"], *(line(n, f"old {n}") for n in range(KEPT)))
    view = taken(LogView(), pods)
    view.hold()
    before = list(view.kept)
    for n in range(8):
        add(pods["uid-a"], *(line(9000 + n, "new") for _ in range(500)))
        add(pods["uid-b"], line(5, "late"))  # of a time among the old ones
        view.take(pods)
    taken(view, pods)
    assert view.kept[: len(before)] == before
    assert view.new_below == 4008 and len(view.kept) == KEPT_HELD and view.unkept == 4008 - (KEPT_HELD - KEPT)
    assert view.dropped == 0
    view.release()
    taken(view, pods)
    assert view.new_below == 0 and len(view.kept) == KEPT and set(said(view)) == {"new"}
    assert view.dropped == 4008 - KEPT  # those that came meanwhile and are kept no more
    assert view.unkept == 0


def test_what_comes_while_held_and_finds_room_is_in_order_afterwards_and_nothing_is_lost() -> None:
    pods = logs("a", "b")
    add(pods["uid-a"], line(1, "one"), line(9, "nine"))
    view = taken(LogView(), pods)
    view.hold()
    add(pods["uid-b"], line(5, "five"))
    add(pods["uid-a"], line(10, "ten"))
    taken(view, pods)
    assert said(view) == ["one", "nine", "five", "ten"] and view.new_below == 2
    view.release()
    assert said(view) == ["one", "five", "nine", "ten"] and view.dropped == 0


def test_a_pod_that_goes_leaves_its_lines_and_one_that_joins_brings_its_own() -> None:
    pods = logs("a", "b")
    add(pods["uid-a"], line(1, "of a"))
    view = taken(LogView(), pods)
    del pods["uid-a"]
    pods |= logs("c")
    add(pods["uid-c"], line(2, "of c"))
    assert said(taken(view, pods)) == ["of a", "of c"]
    view.choose(LogFilter(words="of"))
    assert said(taken(view, pods)) == ["of a", "of c"]
    for n in range(3 * GONE_KEPT):
        taken(view, logs(f"short-{n}"))
    assert len(view._pods) <= GONE_KEPT + 1


def test_a_restart_is_marked_between_the_lines_of_the_two_containers() -> None:
    pods = logs("a")
    began = datetime.fromtimestamp(1_800_000_010, UTC)
    pods["uid-a"].born(datetime.fromtimestamp(1_800_000_000, UTC))
    add(pods["uid-a"], line(3, "before"), line(4, "    at the crash"))
    view = taken(LogView(), pods)
    pods["uid-a"].born(began, restarts=1)
    add(pods["uid-a"], line(10, "after"), line(11, "more"))
    taken(view, pods)
    assert said(view) == ["before", "the container began anew: restart 1", "after", "more"]
    assert view.kept[1].at == began and view.kept[1].mark
    view.choose(LogFilter(level="error"))
    assert said(taken(view, pods)) == ["the container began anew: restart 1"]
    assert view.error_after(-1) is None


def test_errors_are_found_above_and_below() -> None:
    pods = logs("a")
    add(pods["uid-a"], *(line(n, '{"level":"%s","msg":"x"}' % ("error" if n in (2, 5) else "info")) for n in range(8)))
    view = taken(LogView(), pods)
    assert (view.error_after(-1), view.error_after(2), view.error_after(5)) == (2, 5, None)
    assert (view.error_before(8), view.error_before(5), view.error_before(2)) == (5, 2, None)


def test_a_purchase_is_followed_in_the_place_of_the_filter_and_grows_with_what_its_lines_name() -> None:
    pods = logs("app", "worker")
    own = '{"level":"info","correlationId":"purchase_1_x","msg":"begun"}'
    add(pods["uid-app"], line(1, own), line(2, "of another"))
    view = taken(LogView(LogFilter(words="another")), pods)
    view.follow(PurchaseFilter(("purchase_1_x",)))
    assert said(taken(view, pods)) == ["begun"]
    add(pods["uid-app"], line(3, '{"correlationId":"purchase_1_x","activationId":"act-000001","msg":"reserved"}'))
    taken(view, pods)
    add(pods["uid-worker"], line(4, "[Reconcile] Activation act-000001 -> FAILED"))
    assert said(taken(view, pods)) == ["begun", "reserved", "[Reconcile] Activation act-000001 -> FAILED"]
    view.follow(None)
    assert said(taken(view, pods)) == ["of another"]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ((), {}),
        (("nexnum-app-7d9f8b-x2k4p",), {"nexnum-app-7d9f8b-x2k4p": "x2k4p"}),
        (("app-7d-aaaaa", "app-7d-aaaab"), {"app-7d-aaaaa": "aaaaa", "app-7d-aaaab": "aaaab"}),
        (("app-7d-aaaaa", "app-9f-aaaaa"), {"app-7d-aaaaa": "7d-aaaaa", "app-9f-aaaaa": "9f-aaaaa"}),
        (("a-" + "x" * 40, "b-" + "x" * 40), {"a-" + "x" * 40: "…" + "x" * 11, "b-" + "x" * 40: "…" + "x" * 9 + "~2"}),
    ],
)
def test_a_pod_s_name_is_as_short_as_tells_it_from_the_others(names: tuple[str, ...], short: dict[str, str]) -> None:
    assert short_names(names, 12) == short


@given(st.sets(st.text(alphabet="ab-", max_size=30), max_size=40))
def test_short_names_never_stand_for_two_pods(names: set[str]) -> None:
    short = short_names(names, 12)
    assert short.keys() == names and len(set(short.values())) == len(names)
    assert all(len(name) <= 12 for name in short.values())


# --- the buffer of a pod's newest lines -------------------------------------------------------------------------------


def test_what_is_kept_of_a_log_is_bounded_and_what_is_gone_is_counted() -> None:
    recent = LineBuffer()
    for n in range(100):
        recent.add([b"%d" % n] * 10, KEPT_BYTES // 10)
    lines, gone = recent.since(0)
    assert recent.total == 1000 and len(lines) + gone == 1000 and len(lines) <= 110
    assert recent.since(995) == ([b"99"] * 5, 0)
    assert recent.since(1000) == ([], 0)
    recent.add([b"one huge chunk"], 100 * KEPT_BYTES)
    assert recent.since(1000) == ([b"one huge chunk"], 0)


def test_where_each_line_must_be_covered_a_flood_of_lines_takes_no_turn_for_itself() -> None:
    """Covering is dear: what there is no time for is counted, the newest are there, and reading back goes on later."""

    def slow(text: str) -> str:
        time.sleep(0.002)
        return text

    pods = logs("a")
    add(pods["uid-a"], *(line(n, f"line {n}") for n in range(500)))
    view = LogView(LogFilter(words="line", cover=slow))
    began = time.perf_counter()
    view.take(pods)
    assert time.perf_counter() - began < 0.3 and view.reading_back
    while not view.read_back():
        pass
    assert len(view.kept) == 500
    add(pods["uid-a"], *(line(500 + n, f"line {500 + n}") for n in range(501)))
    began = time.perf_counter()
    view.take(pods)
    assert time.perf_counter() - began < 0.6
    assert view.kept[-1].words.message == "line 999" and len(view.kept) + view.dropped == 1000
    assert view.dropped


def test_words_that_are_not_in_a_line_s_bytes_cost_no_covering() -> None:
    pods = logs("a")
    add(pods["uid-a"], *(line(n, f"line {n}") for n in range(50)))
    covered: list[str] = []

    def cover(text: str) -> str:
        covered.append(text)
        return text

    for words in ("another", "-another", ""):
        taken(LogView(LogFilter(words=words, cover=cover)), pods)
    assert not covered
