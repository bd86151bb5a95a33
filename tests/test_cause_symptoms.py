"""What got worse counts before the severity has a reason: a cause may be named for it, and it alone names nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import sample_readings as sample
from sample_readings import NOW, ago, reading

from nexconsole.causes import chapters
from nexconsole.causes.model import Explanation
from nexconsole.causes.ranking import explain
from nexconsole.causes.symptoms import symptoms
from nexconsole.causes.wording import headlines
from nexconsole.model import Reading, Value
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals.change import Change, ChangeKind, ChangeLog
from nexconsole.signals.changes_servers import FLUSHED, STARTED
from nexconsole.signals.funnel import Funnel, MinuteFunnel, ProviderFunnel
from nexconsole.signals.funnel_parts import PodFunnel
from nexconsole.signals.onset import Onset, Onsets
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.probe import answer
from nexconsole.signals.registry import probes
from nexconsole.signals.releases import Release
from nexconsole.signals.transactions import ProviderTraffic, Transactions
from nexconsole.signals.workloads import Workloads

SETTINGS = Settings()
OURS = chapters.shipped().causes


def onset(figure: str, subject: str = "", before: float = 0.01, after: float = 0.5, worse: bool = True) -> Onset:
    return Onset(
        figure=figure, subject=subject, at=ago(40), known_from=ago(7200), before=before, after=after, worse=worse
    )


def changed(*found: Onset, **values: Value) -> dict[str, Reading]:
    """Calm readings but for these, and for figures that got worse."""
    told = {"onset": Onsets(found=found, watched=("failure_rate",)), **values}
    return sample.calm() | {name: reading(name, value) for name, value in told.items()}


def done(kind: ChangeKind, text: str, before_s: float = 30.0) -> ChangeLog:
    one = Change(at=ago(before_s), kind=kind, subject="it", target="it", text=text)
    return ChangeLog(changes=(one,), read=tuple(ChangeKind))


def explained(readings: Mapping[str, Reading]) -> Explanation:
    severity = judge(readings, SETTINGS, NOW)
    assert severity.level == "none" and severity.reasons == ()
    return explain(OURS, readings, SETTINGS, NOW, severity)


def no_stock_at_smsbower() -> dict[str, Reading]:
    """Seven of the last eight purchases there found no number: of all too few for the severity."""
    calm = sample.calm()
    traffic, funnel = calm["transactions"].value, calm["funnel"].value
    assert isinstance(traffic, Transactions) and isinstance(funnel, Funnel)
    row = ProviderTraffic(name="smsbower", attempts=40, failures=7, failure_rate=0.175)
    steps = ProviderFunnel(
        name="smsbower",
        attempts=8,
        sold=1,
        failed=7,
        reasons={"no stock": 7},
        newest={"no stock": 7},
    )
    others = tuple(each for each in traffic.providers if each.name != "smsbower")
    rows = tuple(each for each in funnel.providers if each.name != "smsbower")
    return changed(
        onset("failure_rate", "smsbower", after=0.9),
        transactions=replace(traffic, providers=(row, *others)),
        funnel=replace(funnel, providers=(steps, *rows), failures={"no stock": 7}),
    )


def test_a_cause_is_named_before_the_severity_has_a_reason():
    found = explained(no_stock_at_smsbower())
    assert [each.key for each in found.named] == ["out-of-stock smsbower"]
    assert found.named[0].explains == ("purchases at smsbower",)
    assert found.unexplained == () and found.next_look is None


@pytest.mark.parametrize(
    "figure", ["failure_rate", "attempts", "latency_p95_s", "purchases_waiting", "customers_refused", "connections"]
)
def test_a_lone_figure_that_got_worse_names_nothing_and_is_not_called_unexplained(figure: str):
    found = explained(changed(onset(figure)))
    assert (found.named, found.unexplained, found.next_look) == ((), (), None)
    assert headlines(found, NOW, SETTINGS, "none") == ()


def test_what_got_better_is_old_or_nobody_feels_is_no_symptom():
    assert symptoms(changed(onset("failure_rate", worse=False), onset("circuits_open")), NOW) == ()
    readings = changed(onset("failure_rate"))
    late = replace(readings["onset"], taken_at=ago(300), error="timed out")
    assert symptoms(readings | {"onset": late}, NOW) == ()


def test_twice_the_customers_are_refused_twice_as_often_and_that_is_nothing():
    grown = onset("attempts", before=1.5, after=3.0, worse=False)
    assert symptoms(changed(grown, onset("customers_refused", before=20, after=44)), NOW) == ()
    assert symptoms(changed(grown, onset("customers_refused", before=20, after=200)), NOW) == ("refused customers",)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (done(ChangeKind.DATABASE, STARTED), ("postgres",)),
        (done(ChangeKind.DATABASE, "PostgreSQL read its settings anew"), ()),
        (done(ChangeKind.REDIS, f"{FLUSHED}: 900 keys → 0"), ("Redis' data",)),
        (done(ChangeKind.DATABASE, STARTED, before_s=4000.0), ()),
    ],
    ids=["started", "reloaded", "emptied", "long ago"],
)
def test_a_server_that_fell_over_a_moment_ago_is_a_symptom(log: ChangeLog, said: tuple[str, ...]):
    assert symptoms(changed(changes=log), NOW) == said


def test_nothing_leaves_the_outbox_long_before_its_events_are_late():
    calm = sample.calm()["outbox"].value
    assert isinstance(calm, Outbox)
    history = ((0.0, 212), (2.0, 217), (4.0, 222), (6.0, 226))
    still = replace(calm, pending=226, oldest_pending_s=130.0, drained_per_min=None, history=history)
    found = explained(changed(outbox=still))
    assert [each.key for each in found.named] == ["outbox-stopped"]
    works = replace(still, oldest_pending_s=90.0, history=((0.0, 212), (2.0, 190), (4.0, 222), (6.0, 226)))
    assert symptoms(changed(outbox=works), NOW) == ()
    assert symptoms(changed(outbox=replace(works, oldest_pending_s=130.0)), NOW) == ("pending events",)
    assert explained(changed(outbox=replace(still, history=history[:1]))).named == ()


def test_what_ends_alike_at_the_others_is_no_provider_s_own():
    readings = no_stock_at_smsbower()
    funnel = readings["funnel"].value
    assert isinstance(funnel, Funnel)
    shared = replace(funnel, failures={"no stock": 30})
    assert explained(readings | {"funnel": reading("funnel", shared)}).named == ()


def test_just_the_pods_that_started_since_a_setting_was_changed_fail():
    bad, good = PodFunnel(name="a", decided=30, failed=29), PodFunnel(name="b", decided=40, failed=1)
    funnel = sample.calm()["funnel"].value
    assert isinstance(funnel, Funnel)

    def took_up(*started: str, pods: tuple[PodFunnel, ...] = (bad, good)) -> object:
        secret = Change(at=ago(900), kind=ChangeKind.SECRET, subject="s", target="s", text="it was changed")
        restarts = (Change(at=ago(60), kind=ChangeKind.RESTART, subject=name, target=name, text="") for name in started)
        readings = changed(changes=ChangeLog(changes=(*restarts, secret)), funnel=replace(funnel, by_pod=pods))
        return answer(probes()["changes.taken-up"], readings, SETTINGS, NOW).value

    assert took_up("a") is True
    assert took_up("b") is False and took_up("a", "b") is False and took_up() is False
    assert took_up("a", pods=(bad,)) is None


def test_failures_that_leave_no_row_are_a_symptom_unless_they_are_few():
    calm = sample.calm()["funnel"].value
    assert isinstance(calm, Funnel)

    def late(failed: int, sold: int) -> dict[str, Reading]:
        minutes = (MinuteFunnel(at=0, attempts=50, sold=50), MinuteFunnel(at=60, attempts=50, sold=sold, failed=failed))
        return changed(funnel=replace(calm, minutes=minutes))

    assert symptoms(late(40, 20), NOW) == ("purchases",)
    assert symptoms(late(7, 0), NOW) == () and symptoms(late(9, 90), NOW) == ()


def test_pods_that_crash_again_and_again_are_a_symptom_while_they_all_stand():
    calm = sample.calm()["workloads"].value
    assert isinstance(calm, Workloads)

    def restarted(times: int) -> dict[str, Reading]:
        pods = tuple(
            replace(pod, restarts=times, restarted_at=ago(20), reason="restarted: exit code 1") for pod in calm.pods
        )
        return changed(workloads=replace(calm, pods=pods[:1]))

    assert symptoms(restarted(4), NOW) == ("workloads",)
    assert symptoms(restarted(1), NOW) == ()


def test_a_release_that_loses_events_is_named_though_nothing_failed_and_nothing_waits():
    def said(release_age_s: float, **fields: object) -> list[str]:
        outbox = replace(sample.calm()["outbox"].value, **({"dropped": 40, "oldest_dropped_s": 300.0} | fields))
        release = Release(revision="3", read_at=NOW, images="app:1.7.0", since=ago(release_age_s), before="app:1.6.0")
        workloads = replace(sample.calm()["workloads"].value, release=release)
        return [each.key for each in explained(changed(outbox=outbox, workloads=workloads)).named]

    assert said(480.0) == ["release-breaks-outbox"]
    assert said(480.0, oldest_dropped_s=3000.0) == [], "they were lost before it, too"
    assert said(480.0, dropped=2) == [], "that may be a mishap"
    assert said(90_000.0) == [], "the release is old"
