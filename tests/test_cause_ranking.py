"""Which cause is named: by evidence, never by what is stale, and none where two are alike."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
import sample_readings as sample
from cause_readings import failing, stalled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_readings import NOW, ago, reading

from nexconsole.actions.registry import COMMANDS
from nexconsole.causes import chapters, evidence
from nexconsole.causes.model import Cause, Explanation, Standing
from nexconsole.causes.ranking import explain
from nexconsole.model import Reading, Value
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals.outbox import Outbox

SETTINGS = Settings()
OURS = chapters.shipped().causes


def changed(**values: Value) -> dict[str, Reading]:
    """Calm readings but for these."""
    return sample.calm() | {name: reading(name, value) for name, value in values.items()}


def explained(readings: Mapping[str, Reading], causes: tuple[Cause, ...] = OURS) -> Explanation:
    return explain(causes, readings, SETTINGS, NOW, judge(readings, SETTINGS, NOW))


def named(readings: Mapping[str, Reading], causes: tuple[Cause, ...] = OURS) -> list[str]:
    return [candidate.key for candidate in explained(readings, causes).named]


def made(*chapters_of: str) -> tuple[Cause, ...]:
    """Causes of these chapters: (id, what it explains, evidence ...)."""
    text = "## Causes\n\n" + "\n\n".join(chapters_of)
    assert chapters.check(text, COMMANDS) == ()
    return chapters.parse(text).causes


def chapter(id: str, explains: str, *evidence: str, title: str = "", leads: str = "") -> str:
    lines = "\n".join(f"- {line}" for line in evidence)
    follows = f"#### Leads to\n\n- `#{leads}`\n\n" if leads else ""
    subjects = " ".join(f"`{subject}`" for subject in explains.split(", "))
    return f"### {title or id} `#{id}`\n\n#### Explains\n\n- {subjects}\n\n{follows}#### Evidence\n\n{lines}"


MANY = "Telling: many fail. `transactions.rate > 10 %`"
BLOCKED = "Telling: sessions wait. `database.blocked > 4`"


def test_nothing_is_named_where_nothing_is_wrong():
    found = explained(sample.calm())
    assert found == Explanation()
    assert explain(OURS, sample.calm(), SETTINGS, NOW, None) == Explanation()


def test_half_of_the_evidence_names_nothing_on_a_calm_day():
    causes = made(chapter("few", "purchases", "Telling: some fail. `transactions.rate > 0.5 %`"))
    assert named(sample.calm(), causes) == []


def test_a_session_that_blocks_is_named_with_its_pid():
    readings = changed(database=stalled(), transactions=failing(0.6))
    found = explained(readings)
    assert [candidate.key for candidate in found.named] == ["session-blocks 4711"]
    first = found.named[0]
    assert first.title == "session 4711 blocks others"
    assert {"blocked sessions", "purchases"} <= set(first.explains)
    assert found.unexplained == () and found.next_look is None
    told = next(line for line in first.evidence if line.holds and line.side == "telling")
    assert told.text == "session 4711 blocks 12 of 12 that wait (idle in transaction for 4 min)"
    assert told.answers[0].signal == "database"


def test_what_is_needed_and_false_rules_out_and_says_why():
    causes = made(chapter("x", "purchases", "Needed: one provider. `transactions.scope is one`", MANY))
    found = explained(changed(transactions=failing(0.6)), causes)
    assert found.candidates == ()
    [out] = found.ruled_out
    assert out.standing is Standing.RULED_OUT and out.evidence[0].text.startswith("all of the providers")


def test_what_is_needed_and_unknown_makes_it_possible_at_most_and_is_looked_at_next():
    causes = made(chapter("x", "purchases", "Needed: the index is up. `search.up`", MANY))
    readings = changed(transactions=failing(0.6))
    del readings["search"]
    found = explained(readings, causes)
    assert [each.standing for each in found.candidates] == [Standing.POSSIBLE]
    assert str(found.next_look) == "search.up" and "purchases" in found.unexplained


def test_what_speaks_against_it_keeps_it_from_being_named():
    causes = made(chapter("x", "purchases", MANY, "Against: the index is up. `search.up`"))
    found = explained(changed(transactions=failing(0.6)), causes)
    assert found.named == () and len(found.candidates) <= 1


def test_two_that_explain_the_same_alike_stand_side_by_side():
    causes = made(chapter("a", "purchases", MANY), chapter("b", "purchases", MANY))
    found = explained(changed(transactions=failing(0.6)), causes)
    assert [(each.cause.id, each.standing) for each in found.candidates] == [
        ("a", Standing.POSSIBLE),
        ("b", Standing.POSSIBLE),
    ]
    assert found.unexplained == ("purchases",)


def test_the_better_of_two_that_explain_the_same_is_named():
    more = "Telling: the index is up. `search.up`"
    causes = made(chapter("a", "purchases", MANY), chapter("b", "purchases", MANY, more))
    found = explained(changed(transactions=failing(0.6)), causes)
    assert [each.cause.id for each in found.named] == ["b"]
    assert [each.cause.id for each in found.candidates] == ["b", "a"]


def test_two_at_once_that_explain_different_reasons_are_both_named():
    causes = made(chapter("a", "purchases", MANY), chapter("b", "failed events", "Telling: some. `outbox.failed > 0`"))
    readings = changed(transactions=failing(0.6), outbox=Outbox(pending=4, failed=9, dropped=0, oldest_pending_s=2.0))
    assert sorted(named(readings, causes)) == ["a", "b"]


def test_what_explains_more_is_the_better_of_two():
    causes = made(chapter("a", "purchases", MANY), chapter("b", "purchases, blocked sessions", MANY))
    assert named(changed(transactions=failing(0.6), database=stalled()), causes) == ["b"]


def test_a_cause_absorbs_what_follows_from_it():
    causes = made(
        chapter("root", "blocked sessions", BLOCKED, leads="middle"),
        chapter("middle", "latency", "Telling: slow. `transactions.latency > 1 h`", leads="effect"),
        chapter("effect", "purchases", MANY),
    )
    readings = changed(transactions=failing(0.6), database=replace(stalled(), sessions=()))
    found = explained(readings, causes)
    assert [each.cause.id for each in found.named] == ["root"]
    assert found.unexplained == () and "purchases" in found.named[0].explains
    assert [each.cause.id for each in found.ruled_out] == ["effect"]
    assert found.ruled_out[0].evidence[0].text == "follows: root"


def test_two_that_are_said_to_follow_from_each_other_are_rivals():
    causes = made(chapter("a", "purchases", MANY, leads="b"), chapter("b", "purchases", MANY, leads="a"))
    assert named(changed(transactions=failing(0.6)), causes) == []


def test_a_target_is_filled_in_and_each_is_tried():
    causes = made(
        chapter(
            "ill",
            "purchases at {provider}",
            "Telling: it fails. `transactions.provider {provider} > 50 %`",
            title="{provider} is ill",
        )
    )
    found = explained(sample.incident(), causes)
    assert [each.key for each in found.named] == ["ill smsbower"]
    assert found.named[0].title == "smsbower is ill" and found.named[0].target == {"provider": "smsbower"}


def test_stale_readings_prove_nothing():
    readings = changed(database=stalled(), transactions=failing(0.6))
    readings["database"] = replace(readings["database"], taken_at=ago(40), error="postgres does not answer")
    found = explained(readings)
    assert "session-blocks 4711" not in [each.key for each in found.named]
    readings["database"] = replace(readings["database"], taken_at=ago(4))  # one missed turn is no silence
    assert "session-blocks 4711" in named(readings)


def test_what_only_a_stale_reading_says_is_explained_by_nobody():
    causes = made(chapter("a", "purchases", "Telling: the index is up. `search.up`"))
    readings = changed(transactions=failing(0.6))
    readings["transactions"] = replace(readings["transactions"], taken_at=ago(300), error="gone")
    assert named(readings, causes) == []


def test_a_probe_that_fails_is_not_known(monkeypatch: pytest.MonkeyPatch):
    from nexconsole.causes import evidence

    def broken(*_: object) -> None:
        raise RuntimeError("a plug-in's")

    monkeypatch.setattr(evidence, "seen", broken)
    found = explained(changed(database=stalled(), transactions=failing(0.6)))
    assert found.named == () and found.unexplained


@pytest.mark.parametrize("gone", sorted({"transactions", "circuits", "funnel", "database", "workloads", "alerts"}))
def test_a_missing_reading_names_nothing_else(gone: str):
    """The named ones are those of the whole picture, or fewer."""
    for readings in (sample.incident(), changed(database=stalled(), transactions=failing(0.6))):
        whole = set(named(readings))
        less = {name: each for name, each in readings.items() if name != gone}
        assert set(named(less)) <= whole


@given(
    picked=st.sets(st.sampled_from(sample.SIGNALS)),
    broken=st.sets(st.sampled_from(sample.SIGNALS)),
    aged=st.floats(min_value=0, max_value=1e6),
    seed=st.integers(min_value=0, max_value=99),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_readings_in_any_order_give_one_answer(picked: set[str], broken: set[str], aged: float, seed: int):
    calm, bad = sample.calm(), sample.incident() | {"database": reading("database", stalled())}
    readings = {name: (bad if name in broken else calm)[name] for name in sorted(picked)}
    readings = {name: replace(each, taken_at=ago(aged)) if len(name) % 3 == seed % 3 else each
                for name, each in readings.items()}  # fmt: skip
    first = explained(readings)
    causes, items = list(OURS), list(readings.items())
    random.Random(seed).shuffle(causes)
    random.Random(seed + 1).shuffle(items)
    assert explained(dict(items), tuple(causes)) == first


def test_all_causes_take_a_few_milliseconds():
    """Of processor time, on an incident; a busy machine makes each step slower, so the best of many counts."""
    readings, verdict = sample.incident(), judge(sample.incident(), SETTINGS, NOW)

    def took() -> float:
        began = time.thread_time()
        explain(OURS, readings, SETTINGS, NOW, verdict)
        return time.thread_time() - began

    assert len(OURS) >= 30
    assert min(took() for _ in range(40)) < 0.010


class Walked(tuple):
    """Counts how often it is gone through."""

    walks = 0

    def __iter__(self):
        Walked.walks += 1
        return super().__iter__()


def crowd(many: int) -> dict[str, Reading]:
    """An incident with so many providers in each signal that lists them."""
    readings = sample.incident()
    for signal, fields in LISTS.items():
        value = readings[signal].value
        for field in fields:
            one = getattr(value, field)[0]
            own = {"id": "id-{}"} if hasattr(one, "id") else {}
            items = (
                replace(one, name=f"gw{number:04}", **{name: text.format(number) for name, text in own.items()})
                for number in range(many)
            )
            value = replace(value, **{field: Walked((*getattr(value, field), *items))})
        readings[signal] = replace(readings[signal], value=value)
    return readings


LISTS = {
    "circuits": ("providers",),
    "transactions": ("providers",),
    "funnel": ("providers",),
    "balances": ("balances",),
    "slots": ("providers",),
}


def test_a_thousand_providers_are_gone_through_a_few_times_and_asked_no_more_than_a_dozen(
    monkeypatch: pytest.MonkeyPatch,
):
    asked: list[str] = []
    ask = evidence.seen

    def counted(probe, *rest):
        asked.append(probe.name)
        return ask(probe, *rest)

    monkeypatch.setattr(evidence, "seen", counted)
    found = {}
    for many in (20, 1000):
        readings = crowd(many)
        verdict = judge(readings, SETTINGS, NOW)
        asked.clear()
        Walked.walks = 0
        explain(OURS, readings, SETTINGS, NOW, verdict)
        found[many] = len(asked), Walked.walks
    assert found[1000][0] < 1.2 * found[20][0], found
    assert found[1000][1] < 30, found
