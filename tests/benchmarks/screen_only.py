"""The console's screen without its polling: readings as calm as the drill's, made up at the signals' own cadence.

What it takes is what the screen takes, as in the reference, whose figures come from nowhere either.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from nexconsole.app import NexConsole
from nexconsole.model import Reading, SourceHealth, Value
from nexconsole.settings import Settings
from nexconsole.signals.registry import polled

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sample_readings


class Fed(NexConsole):
    """Each signal's reading is new whenever the signal would have been read."""

    def __init__(self) -> None:
        super().__init__(Settings(environment="drill", name="calm", operator="bench"), drill="calm")
        self._values = {name: reading.value for name, reading in sample_readings.calm().items()}
        self._random = Random(2)

    def on_mount(self) -> None:
        super().on_mount()
        for signal in polled():
            self.set_interval(signal.every, lambda signal=signal: self._feed(signal.name, signal.every))

    def _feed(self, name: str, every: float) -> None:
        value = self._values[name]
        assert value is not None
        now = datetime.now(UTC)
        self._values[name] = value = self._moved(name, value, now)
        self.monitor.take(Reading(signal=name, every=every, value=value, taken_at=now, attempted_at=now))

    def _moved(self, name: str, value: Value, now: datetime) -> Value:
        """As much as a calm market changes from one reading to the next."""
        chance = self._random
        if name == "transactions":
            providers = tuple(replace(one, attempts=one.attempts + chance.randint(-1, 1)) for one in value.providers)
            trend = tuple(replace(point, at=point.at + (now.timestamp() - value.trend[-1].at)) for point in value.trend)
            return replace(value, attempts=sum(one.attempts for one in providers), providers=providers, trend=trend)
        if name == "outbox":
            return replace(value, pending=chance.randint(2, 9), oldest_pending_s=chance.random() * 5)
        if name == "reservations":
            return replace(value, pending=chance.randint(8, 12), oldest_s=chance.random() * 40)
        if name == "circuits":
            first, *others = value.providers
            return replace(value, providers=(replace(first, seen_429=chance.randint(3, 4)), *others))
        if name == "workloads":
            pods = tuple(replace(pod, age_s=(pod.age_s or 0) + 2) for pod in value.pods)
            return replace(value, pods=pods)
        return value

    def _health(self) -> tuple[SourceHealth, ...]:
        now = datetime.now(UTC)
        names = ("postgres", "redis", "kubernetes", "prometheus", "api")
        return tuple(
            SourceHealth(name=name, latency_ms=self._random.random() * 9 + 1, ok_at=now - timedelta(seconds=1))
            for name in names
        )


if __name__ == "__main__":
    Fed().run()
