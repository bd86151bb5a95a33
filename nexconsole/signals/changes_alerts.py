"""Alerts that began or ended, rules that were loaded anew, a Prometheus that was restarted. (nexnum.md#alerts)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..text.sanitize import clean
from .change import Change, ChangeKind
from .change_log import WINDOW_S, Trail
from .changes_rollouts import between
from .changes_servers import AT_START_S, new_since

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.prometheus_json import ActiveAlert

EVERY_S = 10.0
RUNTIME_EVERY_S = 30.0
SOURCE = "prometheus"
MOST = 100


@dataclass
class AlertsTrail(Trail):
    looked_at: datetime | None = None
    firing: frozenset[str] = frozenset()  # their names
    runtime_at: datetime | None = None

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError where the alerts can't be read."""
        prometheus = sources.prometheus
        if self.runtime_at is None or (now - self.runtime_at).total_seconds() >= RUNTIME_EVERY_S:
            runtime = await prometheus.runtime()
            self.runtime_at = now
            if runtime is not None:
                self.can_read((ChangeKind.RULES,), now - timedelta(seconds=WINDOW_S))
                self.server(runtime, settings.changes.set_up, now)
        alerts = await prometheus.alerts()
        self.notes = () if alerts is not None else ("alerts: this server does not say which are active",)
        if alerts is not None:
            self.can_read((ChangeKind.ALERT,), now)
            self.compare([alert for alert in alerts if alert.state == "firing"], now)

    def compare(self, firing: Iterable[ActiveAlert], now: datetime) -> None:
        """An alert that fires for several series is one, as old as the oldest of them."""
        alerts: dict[str, datetime] = {}
        for alert in firing:
            name, since = clean(alert.labels.get("alertname", ""), 120), alert.since or now
            if name in alerts or len(alerts) < MOST:
                alerts[name] = min(since, alerts.get(name, since))
        for name, at in alerts.items():
            if name not in self.firing:
                self._note(f"{name} {at.isoformat()}", name, at, f"the alert {name} began", "quiet", "firing", 0.0)
        for name in self.firing:
            if name not in alerts:
                at, within_s = between(self.looked_at, now)
                text = f"the alert {name} ended"
                self._note(f"{name} ended {at.isoformat()}", name, at, text, "firing", "quiet", within_s)
        self.firing = frozenset(alerts)
        self.looked_at = now

    def server(self, runtime: Mapping[str, datetime], set_up_at: datetime | None, now: datetime) -> None:
        """`runtime` has "started" and "loaded", where the server says them."""
        started, loaded = runtime.get("started"), runtime.get("loaded")
        if started is not None and new_since(started, set_up_at):
            self._rules(f"start {started.isoformat()}", started, "Prometheus was started")
        at_start = started is not None and loaded is not None and (loaded - started).total_seconds() <= AT_START_S
        if loaded is not None and not at_start and new_since(loaded, set_up_at):
            self._rules(f"load {loaded.isoformat()}", loaded, "Prometheus loaded its settings and rules anew")

    def _rules(self, key: str, at: datetime, text: str) -> None:
        kind = ChangeKind.RULES
        self.note(key, Change(at=at, kind=kind, subject="Prometheus", target="prometheus", text=text, source=SOURCE))

    def _note(self, key: str, name: str, at: datetime, text: str, before: str, after: str, within_s: float) -> None:
        change = Change(
            at=at,
            kind=ChangeKind.ALERT,
            subject=f"alert {name}",
            target=name,
            text=text,
            before=before,
            after=after,
            within_s=within_s,
            source=SOURCE,
        )
        self.note(key, change)
