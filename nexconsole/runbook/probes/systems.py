"""Probes of the database, the search index, workloads and alerts. (nexnum.md#sessions, #alerts, #deployment)"""

from __future__ import annotations

from operator import itemgetter
from typing import Unpack

from ...catalogue import Argument
from ...severity import LEVELS
from ...signals.alerts import Alerts
from ...signals.database import Database, DatabaseSession
from ...signals.database_cpu import DatabaseCpu
from ...signals.search import Search
from ...signals.workloads import Workloads
from ...text.units import duration, percent
from .probe import Probe, ProbeOptions, ProbeResult, Read, View, many

MONITOR = "GRANT pg_monitor to the console's role"


def _answers(view: View) -> ProbeResult:
    """Of all probes the one to which a failure is an answer."""
    reading = view.reading
    if reading is None or reading.absent or (reading.value is None and not reading.error):
        why = (reading.error if reading else None) or "it was not tried yet"
        return ProbeResult(text=f"not known: {why}", value=None)
    if reading.error:
        return ProbeResult(text=f"it does not answer this console: {reading.error}", value=False)
    return ProbeResult(text="it answers this console", value=True)


def _blockers(view: View[Database]) -> ProbeResult:
    value = view.value
    blockers = sorted((s for s in value.sessions if s.blocks), key=lambda s: (bool(s.blocked_by), -s.blocks))
    if not blockers:
        return _none_seen(value, "no session blocks another")
    return ProbeResult(text=_told(blockers[0]), value=float(len(blockers)), gives={"pid": str(blockers[0].pid)})


def _told(session: DatabaseSession) -> str:
    who = f"pid {session.pid} ({session.application or session.user})"
    age = f" for {duration(session.transaction_s)}" if session.transaction_s is not None else ""
    state = f", {session.state}{age}" if session.state else ""
    return f"{who} blocks {session.blocks}{state}: {session.query[:120]}"


def _none_seen(value: Database, text: str) -> ProbeResult:
    """Zero is only known where nothing is hidden."""
    if value.restricted and value.hidden:
        hidden = many(value.hidden, "session")
        return ProbeResult(text=f"not known: {hidden} of other roles can't be seen", value=None, lacks=MONITOR)
    return ProbeResult(text=text, value=0.0)


def _counted(noun: str, attribute: str) -> Read:
    def read(view: View[Database]) -> ProbeResult:
        count = getattr(view.value, attribute)
        text = f"{many(count, 'session')} {noun}"
        return ProbeResult(text=text, value=float(count)) if count else _none_seen(view.value, text)

    return read


def _longest(view: View[Database]) -> ProbeResult:
    value = view.value
    aged = [session for session in value.sessions if session.transaction_s is not None]
    if not aged:
        return _none_seen(value, "no transaction lasts longer than 1 s")
    oldest = max(aged, key=lambda session: session.transaction_s or 0)
    age = oldest.transaction_s or 0.0
    return ProbeResult(
        text=f"pid {oldest.pid} is in a transaction for {duration(age)}", value=age, gives={"pid": str(oldest.pid)}
    )


def _connections(view: View[Database]) -> ProbeResult:
    value = view.value
    if not value.max_connections:
        return ProbeResult(text="not known: the server did not say how many it allows", value=None)
    share = value.connections / value.max_connections
    return ProbeResult(text=f"{value.connections} of {value.max_connections} are used ({percent(share)})", value=share)


def _cpu(view: View[DatabaseCpu]) -> ProbeResult:
    value = view.value
    return ProbeResult(text=f"{percent(value.used)} of the database's CPU is used", value=value.used)


def _search(view: View[Search]) -> ProbeResult:
    value = view.value
    return ProbeResult(text="the search index is up" if value.up else f"it is down: {value.why}", value=value.up)


def _ready(view: View[Workloads]) -> ProbeResult:
    value = view.value
    return ProbeResult(text=_pods(value), value=float(value.ready))


def _missing(view: View[Workloads]) -> ProbeResult:
    value = view.value
    reasons = "; ".join(f"{pod.name} {pod.reason or pod.phase}" for pod in value.pods if not pod.ready)
    text = _pods(value) + (f": {reasons[:200]}" if reasons else "")
    return ProbeResult(text=text, value=float(max(0, value.desired - value.ready)))


def _down(view: View[Workloads]) -> ProbeResult:
    value = view.value
    return ProbeResult(text=_pods(value), value=bool(value.desired and not value.ready))


def _restarts(view: View[Workloads]) -> ProbeResult:
    value = view.value
    if not value.pods:
        return ProbeResult(text="not known: no pod was seen", value=None)
    restarts = sum(pod.restarts for pod in value.pods)
    restarted = [(pod.restarted_at, pod.reason) for pod in value.pods if pod.restarted_at]
    when = ""
    if restarted:
        at, reason = max(restarted, key=itemgetter(0))
        ago = duration(max(0.0, (view.now - at).total_seconds()))
        when = f", the last {ago} ago" + (f" ({reason})" if reason else "")
    return ProbeResult(
        text=f"{many(restarts, 'restart')} of {many(len(value.pods), 'pod')}{when}", value=float(restarts)
    )


def _rollout(view: View[Workloads]) -> ProbeResult:
    value = view.value
    note = f": {value.rollout_note}" if value.rollout_note else ""
    return ProbeResult(text=f"the rollout is {value.rollout}{note}", value=value.rollout)


def _released(view: View[Workloads]) -> ProbeResult:
    """How long ago what runs was released: going back to an older release makes this old again."""
    release = view.value.release
    if release is None or release.since is None:
        why, lacks = (release.why, release.lacks) if release is not None else ("its revisions were not read", "")
        return ProbeResult(text=f"not known: {why}", value=None, lacks=lacks)
    age = max(0.0, (view.now - release.since).total_seconds())
    before = f", after {release.before}" if release.before else ", the first that its history knows"
    if release.withdrawn:
        before += f"; {release.withdrawn} was taken back"
    return ProbeResult(text=f"{release.images} (revision {release.revision}) is {duration(age)} old{before}", value=age)


def _pods(value: Workloads) -> str:
    return f"{value.ready} of {many(value.desired, 'pod')} of {value.deployment} ready"


def _firing(view: View[Alerts]) -> ProbeResult:
    value = view.value
    name = view.argument
    fires = next((alert for alert in value.firing if alert.name == name), None)
    if fires is not None:
        since = f" since {duration((view.now - fires.since).total_seconds())}" if fires.since else ""
        return ProbeResult(text=f"{name} fires{since}", value=True)
    rule = next((rule for rule in value.runbook if rule.name == name), None)
    why = f": {rule.why}" if rule and rule.why else ""
    if rule and rule.exists is False:
        lacks = f"an alert rule named {name}"
        return ProbeResult(text=f"not known: there is no alert {name} here{why}", value=None, lacks=lacks)
    if rule and rule.can_fire is False:
        lacks = f"a rule {name} that can fire"
        return ProbeResult(
            text=f"not known: {name} can never fire here, its silence proves nothing{why}", value=None, lacks=lacks
        )
    doubt = "" if rule and rule.exists else "; whether it exists is not known"
    return ProbeResult(text=f"{name} does not fire{doubt}", value=False)


def _level(view: View[Alerts]) -> ProbeResult:
    value = view.value
    levels = view.settings.severity.alerts
    judged = [(levels.get(alert.severity), alert) for alert in value.firing]
    judged = [(level, alert) for level, alert in judged if level in LEVELS[:3]]
    if not judged:
        return ProbeResult(text=f"{many(len(value.firing), 'alert')} firing, none that counts", value="none")
    level, alert = min(judged, key=lambda pair: LEVELS.index(pair[0]))
    return ProbeResult(text=f"{alert.name} fires ({alert.severity})", value=level)


def _probe(
    name: str,
    title: str,
    signal: str,
    read: Read,
    kind: str = "number",
    **options: Unpack[ProbeOptions],
) -> Probe:
    return Probe(name=name, title=title, signal=signal, kind=kind, read=read, **options)


_PID = {"pid": "pid"}
PROBES = (
    _probe("database.answers", "whether the database answers this console", "database", _answers, "flag", always=True),
    _probe("database.blockers", "sessions that block others", "database", _blockers, gives=_PID),
    _probe("database.blocked", "sessions that wait for another's lock", "database", _counted("blocked", "blocked")),
    _probe(
        "database.idle",
        "sessions idle in a transaction",
        "database",
        _counted("idle in a transaction", "idle_in_transaction"),
    ),
    _probe("database.longest", "age of the oldest transaction", "database", _longest, unit="seconds", gives=_PID),
    _probe("database.connections", "share of the connections in use", "database", _connections, unit="ratio"),
    _probe("database.cpu", "share of the database's CPU in use", "database_cpu", _cpu, unit="ratio"),
    _probe("search.up", "whether the search index is up", "search", _search, "flag"),
    _probe("workloads.ready", "pods that are ready", "workloads", _ready),
    _probe("workloads.missing", "pods that should be ready and are not", "workloads", _missing),
    _probe("workloads.down", "whether no pod is ready", "workloads", _down, "flag"),
    _probe("workloads.restarts", "how often the pods were restarted", "workloads", _restarts),
    _probe(
        "workloads.rollout",
        "the rollout's state",
        "workloads",
        _rollout,
        "word",
        words=("complete", "progressing", "paused", "stuck"),
    ),
    _probe("workloads.released", "age of the release that runs", "workloads", _released, unit="seconds"),
    _probe(
        "alerts.firing",
        "whether an alert fires",
        "alerts",
        _firing,
        "flag",
        argument=Argument(name="alert", kind="alert"),
    ),
    _probe("alerts.level", "the highest level that firing alerts stand for", "alerts", _level, "word", words=LEVELS),
)
