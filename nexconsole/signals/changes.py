"""Changes: what changed in NexNum's systems in the last hours, when, from what to what, and by whom.

Each system is looked at by itself and at its own pace; one that fails loses only its own kinds. What systems stamp is
known from before the console was started; what they do not stamp is known from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Unpack

from ..catalogue import Argument
from ..errors import NotConfigured, SourceError
from ..model import Value, utc_now
from ..text.sanitize import clean
from ..text.units import clock, count, duration, several
from . import changes_alerts, changes_cluster, changes_docker, changes_rows, changes_servers
from .change import CHANGES, Change, ChangeKind, ChangeLog
from .change_log import Trail, against, before_onset, log_of, newest, uncertain_s
from .failure_kinds import FEW_ON_POD, split
from .funnel import Funnel
from .onset import ONSET, Onset
from .pods import started_at
from .probe import PROVIDER, Probe, ProbeOptions, ProbeResult, Read, View
from .signal import LISTED, Signal, SubjectState
from .workloads_value import Workloads

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

EVERY_S = 5.0
LOOK_S = 7.0  # for one system's look
BEFORE_S = 600.0  # how long before the onset a change may have caused it
PROVIDER_BEFORE_S = 900.0
LOST_S = 1800.0  # so long Redis' loss is told
LONG_ENOUGH_S = 3600.0  # a kind that is known for so long and shows none has had none
# What no other signal's events tell.
TOLD = frozenset(
    {
        *(ChangeKind.REPLICAS, ChangeKind.AUTOSCALER, ChangeKind.CONFIG, ChangeKind.SECRET, ChangeKind.EVICTION),
        *(ChangeKind.PROVIDER, ChangeKind.AUDIT, ChangeKind.DATABASE, ChangeKind.REDIS, ChangeKind.RULES),
    }
)


@dataclass
class WatchedSystem:
    """One system's part: who looks, by which source, how often, and how the last look went."""

    source: str
    every_s: float
    trail: Trail
    looked_at: datetime | None = None
    error: str = ""

    def due(self, now: datetime) -> bool:
        return self.looked_at is None or not 0 <= (now - self.looked_at).total_seconds() < self.every_s - 0.5

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Take a look; what goes wrong is kept as a sentence."""
        self.looked_at = now
        try:
            async with asyncio.timeout(LOOK_S):
                await self.trail.look(sources, settings, now)
        except NotConfigured:
            self.error = ""
            self.trail.lost()
        except SourceError as error:
            self.error = str(error)
            self.trail.lost()
        except (ValueError, OverflowError) as error:  # a time that no calendar has, from a hostile row
            self.error = f"{self.source} answered something that can't be understood: {clean(error, 120)}"
            self.trail.lost()
        except TimeoutError:
            self.error = f"{self.source} did not answer what changed within {duration(LOOK_S)}"
            self.trail.lost()
        else:
            self.error = ""
        self.trail.forget(now)


def _watched() -> tuple[WatchedSystem, ...]:
    return (
        WatchedSystem("kubernetes", changes_cluster.EVERY_S, changes_cluster.ClusterTrail()),
        WatchedSystem("docker", changes_docker.EVERY_S, changes_docker.DockerTrail()),
        WatchedSystem("postgres", changes_servers.POSTGRES_EVERY_S, changes_servers.PostgresTrail()),
        WatchedSystem("postgres", changes_rows.PROVIDERS_EVERY_S, changes_rows.ProvidersTrail()),
        WatchedSystem("postgres", changes_rows.AUDIT_EVERY_S, changes_rows.AuditTrail()),
        WatchedSystem("postgres", changes_rows.WORK_EVERY_S, changes_rows.WorkTrail()),
        WatchedSystem("redis", changes_servers.REDIS_EVERY_S, changes_servers.RedisTrail()),
        WatchedSystem("prometheus", changes_alerts.EVERY_S, changes_alerts.AlertsTrail()),
    )


@dataclass
class ChangeMemory:
    """What is kept from reading to reading."""

    watched: tuple[WatchedSystem, ...] = field(default_factory=_watched)


async def read(sources: Sources, settings: Settings, previous: Value | None) -> ChangeLog:
    """Look where a look is due. Raises SourceError where no system could be looked at."""
    kept = sources.memory.get(CHANGES)
    memory = kept if isinstance(kept, ChangeMemory) else ChangeMemory()
    sources.memory[CHANGES] = memory
    here = [each for each in memory.watched if sources.has(each.source)]
    if not here:
        raise NotConfigured("kubernetes", "no system whose changes could be read is configured")
    now = utc_now()
    await asyncio.gather(*(each.look(sources, settings, now) for each in here if each.due(now)))
    errors = tuple(dict.fromkeys(each.error for each in here if each.error))
    if len([each for each in here if each.error]) == len(here):
        raise SourceError(here[0].source, errors[0])
    return log_of((each.trail for each in here), errors)


def _summary(value: ChangeLog) -> str:
    if not value.changes:
        return "no change is known" if value.read else "not known: no kind of change could be read"
    last = value.changes[0]
    return f"{clock(last.at)} {in_words(last)}"


def in_words(change: Change) -> str:
    """What changed, and by whom: "nexnum-app was scaled from 3 to 1 replicas, by kubectl"."""
    return change.text + (f", by {change.who}" if change.who else "")


def _details(value: ChangeLog) -> Iterator[str]:
    for change in value.changes[:LISTED]:
        yield f"{clock(change.at)} {in_words(change)}"


def _states(value: ChangeLog, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    told = set()
    for change in value.changes:
        subject = f"change of {change.subject}"
        if change.kind in TOLD and subject not in told:
            told.add(subject)
            yield SubjectState(subject, change.at.isoformat(), in_words(change), usual=True, brief=True)


def _kind(view: View[ChangeLog]) -> ChangeKind | None:
    return ChangeKind(view.argument) if view.argument in [kind.value for kind in ChangeKind] else None


def _unknown_kind(view: View[ChangeLog]) -> ProbeResult:
    words = ", ".join(kind.value for kind in ChangeKind)
    return ProbeResult(
        text=f"not known: there is no kind of change {view.argument}; choose one of: {words}", value=None
    )


def noun(kind: ChangeKind) -> str:
    """A change of this kind in words: "release", "change of a Secret"."""
    return NOUNS.get(kind, kind.value)


def _one(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _onset(view: View[ChangeLog]) -> Onset | None:
    onsets = ONSET.value(view.readings)
    return onsets.first if onsets is not None else None


NOUNS = {
    ChangeKind.REPLICAS: "change of the replicas by a person",
    ChangeKind.AUTOSCALER: "change by the autoscaler",
    ChangeKind.CONFIG: "change of a ConfigMap",
    ChangeKind.SECRET: "change of a Secret",
    ChangeKind.PROVIDER: "change of a provider's row",
    ChangeKind.AUDIT: "row of NexNum's audit log",
    ChangeKind.DATABASE: "restart or change of the database",
    ChangeKind.REDIS: "restart or change of Redis",
    ChangeKind.SCHEDULER: "stop of scheduled work",
    ChangeKind.RULES: "reload of Prometheus' rules",
    ChangeKind.ACTION: "action of a console",
}
NO_ONSET = ProbeResult(text="not known: since when something is out of its range is not known", value=None)


def _before(view: View[ChangeLog]) -> ProbeResult:
    kind = _kind(view)
    return _unknown_kind(view) if kind is None else _set_against(view, kind, noun(kind), BEFORE_S)


def _provider(view: View[ChangeLog]) -> ProbeResult:
    names = {change.target for change in view.value.changes if change.kind is ChangeKind.PROVIDER}
    target = next((name for name in names if view.called(name)), view.argument)
    return _set_against(view, ChangeKind.PROVIDER, f"change of {target}'s row", PROVIDER_BEFORE_S, target)


def _pod(view: View[ChangeLog]) -> ProbeResult:
    return _set_against(view, ChangeKind.RESTART, f"restart of {view.argument}", BEFORE_S, view.argument)


def _set_against(view: View[ChangeLog], kind: ChangeKind, what: str, within_s: float, target: str = "") -> ProbeResult:
    """Whether such a change came before the first onset; the sentence names the one that is nearest to it."""
    onset = _onset(view)
    if onset is None:
        return NO_ONSET
    came = before_onset(view.value, onset, kind, within_s, target)
    nearest = _nearest(view.value, onset, kind, target)
    if nearest is not None and came is not None:
        return ProbeResult(text=f"{in_words(nearest)}: {against(nearest, onset)}", value=came)
    if came is None:
        why = "when it began is not known" if onset.at is None else f"{_one(what)} can't be told so far back"
        lacks = "" if kind in view.value.read else f"a source that tells of {_one(what)}"
        return ProbeResult(text=f"not known: {why}", value=None, lacks=lacks)
    return ProbeResult(text=f"no {what} in the {duration(within_s)} before", value=False)


def _nearest(log: ChangeLog, onset: Onset, kind: ChangeKind, target: str) -> Change | None:
    """The last one before the onset or about then, else the first after it."""
    at = onset.at
    found = [
        change for change in log.changes if change.kind is kind and target.casefold() in ("", change.target.casefold())
    ]
    if at is None or not found:
        return None
    earlier = [change for change in found if (change.at - at).total_seconds() <= uncertain_s(change, onset)]
    return earlier[0] if earlier else found[-1]


def _taken_up(view: View[ChangeLog]) -> ProbeResult:
    """Whether purchases fail on just the pods that were started since a setting was changed, and on no other."""
    changed = [each for each in view.value.changes if each.kind in (ChangeKind.CONFIG, ChangeKind.SECRET)]
    if not changed:
        return ProbeResult(text="no setting was changed", value=False)
    funnel = view.other("funnel", Funnel)
    if funnel is None or sum(pod.decided >= FEW_ON_POD for pod in funnel.by_pod) < 2:
        return ProbeResult(text="not known: it takes two pods with enough purchases to tell", value=None)
    bad, good = split(funnel.by_pod)
    started = {
        each.target for each in view.value.changes if each.kind is ChangeKind.RESTART and each.at > changed[0].at
    }
    if not bad or not started.issuperset(bad) or started.intersection(good):
        return ProbeResult(text="it is not just the pods started since a change that fail", value=False)
    text = f"{in_words(changed[0])}; most purchases fail on what was started since: {', '.join(bad[:4])}"
    return ProbeResult(text=text, value=True)


def _read(view: View[ChangeLog]) -> ProbeResult:
    """Which of the pods were started since a setting was changed: only those have read it."""
    settings = (ChangeKind.CONFIG, ChangeKind.SECRET)
    changed = [
        each
        for each in view.value.changes
        if each.kind in settings and (view.now - each.at).total_seconds() <= LONG_ENOUGH_S
    ]
    if not changed:
        return ProbeResult(text="no setting was changed in the last hour", value="none")
    workloads = view.other("workloads", Workloads)
    if workloads is None or not workloads.pods:
        return ProbeResult(text="not known: no pod was seen", value=None)
    first = changed[-1].at
    started = [pod.name for pod in workloads.pods if (at := started_at(pod, view.now)) is not None and at >= first]
    words = "all" if len(started) == len(workloads.pods) else "some" if started else "none"
    text = f"{in_words(changed[-1])}; {several(len(started), 'pod')} of {count(len(workloads.pods))} started since"
    return ProbeResult(text=text, value=words)


def _last(view: View[ChangeLog]) -> ProbeResult:
    kind = _kind(view)
    if kind is None:
        return _unknown_kind(view)
    log = view.value
    if (change := newest(log, kind)) is not None:
        age = max(0.0, (view.now - change.at).total_seconds())
        return ProbeResult(text=f"{in_words(change)}, {duration(age)} ago", value=age)
    since = log.since(kind) if kind in log.read else None
    known_s = (view.now - since).total_seconds() if since is not None else 0.0
    if known_s < LONG_ENOUGH_S:
        lacks = "" if kind in log.read else f"a source that tells of {_one(noun(kind))}"
        return ProbeResult(text=f"not known: no {noun(kind)} was seen yet", value=None, lacks=lacks)
    return ProbeResult(text=f"no {noun(kind)} in the last {duration(known_s)}, at least", value=known_s)


def _lost(view: View[ChangeLog]) -> ProbeResult:
    """Whether Redis was emptied in the last half hour: by a command, or by a start without its data."""
    log = view.value
    loss = next((each for each in log.changes if changes_servers.is_loss(each)), None)
    if loss is not None and (age := max(0.0, (view.now - loss.at).total_seconds())) <= LOST_S:
        return ProbeResult(text=f"{in_words(loss)}, {duration(age)} ago", value=True)
    if ChangeKind.REDIS not in log.read:
        return ProbeResult(text="not known: Redis' changes can't be read", value=None, lacks="reading INFO of Redis")
    return ProbeResult(text=f"no loss of Redis' data was seen in {duration(LOST_S)}", value=False)


KIND = Argument(name="kind", kind="change")


def _probe(name: str, title: str, read: Read, kind: str = "flag", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal=CHANGES, kind=kind, read=read, **options)


PROBES = (
    _probe("changes.before", "whether a change of this kind came shortly before the onset", _before, argument=KIND),
    _probe("changes.last", "age of the newest change of this kind", _last, "number", unit="seconds", argument=KIND),
    _probe(
        "changes.provider", "whether this provider's row was changed before the onset", _provider, argument=PROVIDER
    ),
    _probe("redis.lost", "whether Redis was emptied lately", _lost),
    _probe("changes.taken-up", "whether only pods that started since a change of a setting fail", _taken_up),
    _probe(
        "changes.read",
        "which pods were started since a setting was changed, and so have read it",
        _read,
        "word",
        words=("all", "some", "none"),
    ),
    _probe(
        "changes.pod",
        "whether this pod was restarted before the onset",
        _pod,
        argument=Argument(name="pod", kind="pod"),
    ),
)
SIGNAL = Signal(
    name=CHANGES,
    kind=ChangeLog,
    read=read,
    summary=_summary,
    title="Changes",
    every=EVERY_S,
    unseen_every=30.0,
    timeout=LOOK_S + 2.0,
    optional=True,
    observe=_states,
    details=_details,
    arguments={"change": lambda value: (kind.value for kind in ChangeKind)},
    probes=PROBES,
)
