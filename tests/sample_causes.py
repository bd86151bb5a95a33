"""Explanations made by hand: one cause, two, none that is known. The readings are those of `sample_readings`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sample_readings import NOW, reading

from nexconsole.causes.model import Candidate, Cause, Evidence, Explanation, Side, Standing
from nexconsole.model import Reading, State
from nexconsole.runbook.model import Call
from nexconsole.signals.change import Change, ChangeKind, ChangeLog
from nexconsole.signals.customers import Customers, OutOfLine
from nexconsole.signals.onset import Onset, Onsets
from nexconsole.signals.probe import ProbeAnswer
from nexconsole.signals.runway import Ceiling, Runway

BEGAN = NOW - timedelta(minutes=12)


def onset(figure: str = "failure_rate", subject: str = "", minutes: float = 12, **more) -> Onset:
    fields = {"at": NOW - timedelta(minutes=minutes), "known_from": NOW - timedelta(hours=6), "before": 0.011}
    return Onset(figure=figure, subject=subject, **(fields | {"after": 0.178, "source": "record"} | more))


def answered(probe: str, text: str, signal: str, age_s: float = 2.0, state: State = State.FRESH) -> ProbeAnswer:
    return ProbeAnswer(probe=probe, text=text, value=True, signal=signal, state=state, age_s=age_s)


UNREACHABLE = Cause(
    id="provider-unreachable",
    title="{provider} does not answer",
    kind="provider",
    prose="The provider's API refuses connections or times out. Purchases there fail after the time-out.",
    explains=("purchases at {provider}",),
    decides=(Call(name="transactions.provider_failing", arguments=("{provider}",)),),
    remedy=Call(name="provider.disable", arguments=("{provider}",)),
    remedy_text="Take it out of the offers until it answers again.",
    scenario="provider-api-errors",
)
SMSBOWER = Candidate(
    cause=UNREACHABLE,
    title="smsbower does not answer",
    target={"provider": "smsbower"},
    standing=Standing.LIKELY,
    score=0.92,
    evidence=(
        Evidence(
            side=Side.NEEDED,
            title="its purchases fail",
            text="55 % of purchases at smsbower fail",
            holds=True,
            answers=(answered("transactions.failing", "55 %", "transactions"),),
        ),
        Evidence(
            side=Side.TELLING,
            title="its circuit is open",
            text="the circuit of smsbower is OPEN in 2 of 3 pods",
            holds=True,
            answers=(answered("circuits.open", "open", "circuits", 1.0),),
        ),
        Evidence(
            side=Side.AGAINST,
            title="other providers fail as well",
            text="no other provider fails more than usual",
            holds=False,
            answers=(answered("transactions.others", "none", "transactions"),),
        ),
        Evidence(side=Side.FOR, title="its status page says so", text="its status page is not read", holds=None),
    ),
    explains=("purchases at smsbower", "circuit smsbower", "purchases"),
    since=onset("failure_rate", "smsbower"),
)
OUTBOX = Candidate(
    cause=Cause(
        id="outbox-stopped", title="the outbox worker stopped", explains=("outbox",), scenario="outbox-backlog"
    ),
    title="the outbox worker stopped",
    standing=Standing.LIKELY,
    score=0.7,
    evidence=(
        Evidence(
            side=Side.NEEDED,
            title="nothing is drained",
            text="137 events are pending, 0 a minute are done",
            holds=True,
            answers=(answered("outbox.pending", "137", "outbox"),),
        ),
    ),
    explains=("outbox",),
    since=onset("outbox_pending", minutes=4, before=3.0, after=137.0),
)
RELEASE = Candidate(
    cause=Cause(id="bad-release", title="the release breaks purchases"),
    title="the release breaks purchases",
    standing=Standing.POSSIBLE,
    score=0.3,
    evidence=(
        Evidence(
            side=Side.TELLING,
            title="a release just before",
            text="a release came 2 min before it began",
            holds=True,
            answers=(answered("changes.before", "2 min", "changes", 4.0),),
        ),
        Evidence(
            side=Side.AGAINST,
            title="one provider alone fails",
            text="93 % of the failures are at smsbower",
            holds=True,
            answers=(answered("transactions.scope", "one", "transactions"),),
        ),
    ),
    explains=("purchases",),
)
DATABASE = Candidate(
    cause=Cause(id="database-down", title="PostgreSQL does not answer"),
    title="PostgreSQL does not answer",
    standing=Standing.RULED_OUT,
    score=0.0,
    evidence=(
        Evidence(
            side=Side.NEEDED,
            title="it does not answer",
            text="PostgreSQL answers in 2 ms",
            holds=False,
            answers=(answered("database.connections", "40", "database"),),
        ),
    ),
)
ONE = Explanation(candidates=(SMSBOWER, RELEASE), ruled_out=(DATABASE,), unexplained=("outbox",))
TWO = Explanation(candidates=(SMSBOWER, OUTBOX, RELEASE), ruled_out=(DATABASE,))
UNKNOWN = Explanation(
    candidates=(RELEASE, replace(OUTBOX, standing=Standing.POSSIBLE, score=0.2)),
    ruled_out=(DATABASE,),
    unexplained=("purchases",),
    next_look=Call(name="transactions.scope"),
)
CALM = Explanation()


def change(minutes: float, kind: ChangeKind, subject: str, text: str, **more) -> Change:
    at = NOW - timedelta(minutes=minutes)
    return Change(at=at, kind=kind, subject=subject, target=subject.split()[-1], text=text, **more)


LOG = ChangeLog(
    source="kubernetes, postgres",
    changes=(
        change(8, ChangeKind.REPLICAS, "deployment nexnum-app", "nexnum-app has 4 replicas, was 3", who="ci-bot"),
        change(14, ChangeKind.RELEASE, "deployment nexnum-app", "nexnum-app runs 2.4.2", before="2.4.1", after="2.4.2"),
        change(47, ChangeKind.PROVIDER, "provider smsbower", "smsbower's priority is 2, was 1", who="anna"),
        change(95, ChangeKind.CONFIG, "configmap nexnum-config", "nexnum-config has a new version", within_s=30.0),
        change(130, ChangeKind.RESTART, "pod nexnum-app-7d9f", "nexnum-app-7d9f was restarted: OOMKilled"),
    ),
    read=tuple(ChangeKind),
)
CUSTOMERS = Customers(
    source="postgres",
    failing=52,
    refused=8,
    waiting=11,
    failing_per_min=14.2,
    money_per_min=9.4,
    holds=23,
    held=31.5,
    out_of_line=(OutOfLine(kind="country", name="NG", failed=40, decided=44, share=0.909),),
)
RUNWAY = Runway(
    source="prometheus, postgres",
    ceilings=(
        Ceiling(
            name="connections",
            now=83,
            limit=100,
            text="83 of 100 in use",
            earliest=NOW + timedelta(minutes=9),
            latest=NOW + timedelta(minutes=16),
        ),
        Ceiling(name="balance at 5sim", now=212.0, limit=0.0, text="no estimate: it was topped up an hour ago"),
    ),
)
ONSETS = Onsets(source="record", found=(onset(), onset("outbox_pending", minutes=4, before=3.0, after=137.0)))


def beside() -> dict[str, Reading]:
    """What is read beside the signals that judge."""
    values = {"changes": LOG, "customers": CUSTOMERS, "runway": RUNWAY, "onset": ONSETS}
    return {name: reading(name, value) for name, value in values.items()}
