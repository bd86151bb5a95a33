"""The settings' rules: the limits that the signals and the severity are judged by, with their units and defaults."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from .table import SettingsTable


class TransactionRules(SettingsTable):
    window_s: int = 300  # purchases are judged over the last so many seconds
    trend_s: int = 1800  # how far back the chart goes
    few: int = 20  # fewer attempts than this are too few to judge by
    provider_few: int = 5  # a provider with fewer attempts is not judged on its own
    provider_failing: float = 0.2  # a provider's failure rate, 0..1, from which it counts as failing
    one_share: float = 0.8  # the share of all failures at one provider that makes the verdict "one"
    disagreement: float = 0.1  # Prometheus and Postgres may differ by this much, 0..1
    overdue_s: float = 30.0  # a purchase undecided for longer is overdue; 3 times the usual where that is longer
    overdue_few: int = 3  # fewer purchases in flight are too few to say that none is decided any more


class FunnelRules(SettingsTable):
    """Shares are 0..1, of the purchases of transactions.window_s that are decided."""

    few: int = 10  # fewer decided purchases than this are too few to judge by
    refused_critical: float = 0.5  # SEV-1 above it: customers who are refused because nobody offers a number
    refused_high: float = 0.2  # SEV-2 above it
    undecided_s: float = 60.0  # no provider's answer for so long, while purchases begin: purchasing is down
    undecided_usual: float = 3.0  # and for so many times as long as they usually wait


class CircuitRules(SettingsTable):
    cooldown_s: float = 30.0  # a pod's own breaker; 15 in the oldest installs (nexnum.md#breakers)
    flapping: int = 3  # a breaker that opened so often within flapping_window_s is flapping
    flapping_window_s: int = 600  # see flapping
    ignore: tuple[str, ...] = ("GeminiPool",)  # breakers that are not SMS providers


class ReservationRules(SettingsTable):
    stuck_after_s: int = 300  # RESERVED for longer is stuck; 600 for the newest worker (nexnum.md#stuck-rows)
    limit: int = 50  # the runbook's
    alert_limit: int = 5  # the alert rule's


class OutboxRules(SettingsTable):
    stuck_after_s: int = 180  # the oldest pending event is late from here on; 60 for the 5 s loop (nexnum.md#outbox)
    count_limit: int = 10_000  # counts stop here and are shown as "10 000+"
    retry_limit: int = 500  # events that one `outbox.retry all` puts back, at most; 2 000 whatever is set
    retry_batch: int = 20  # of them at once
    retry_pause_s: float = 2.0  # between two batches
    retry_watch_s: float = 75.0  # how long the first batch may wait for a worker before the rest is left FAILED


class SlotRules(SettingsTable):
    """How long a purchase may wait for a slot at a provider (nexnum.md#slots)."""

    late_s: float = 10.0  # SEV-3 from this wait on
    stalled_s: float = 60.0  # SEV-2 from this wait on; SEV-1 where most purchases go to such providers
    most: float = 0.5  # the share of the purchases, 0..1, above which it is most of them


class BalanceRules(SettingsTable):
    """Our money at the providers; each provider's own limit is NexNum's low_balance_alert."""

    least: float = 0.05  # a balance below this buys nothing, in the provider's currency
    old_s: float = 21_600.0  # a balance that NexNum asked for longer ago is said to be old


class IntegrityRules(SettingsTable):
    """What the looks at data and security tolerate. Each look is taken once a minute, the routes every 10 min."""

    tolerated: float = 100.0  # money, in the wallets' currency: a smaller difference wakes nobody
    tolerated_holds: float = 1000.0  # the same for holds below zero: the oldest version's reconcile releases them twice
    refund_window_s: float = 900.0  # refunds of purchases that began since then; who cleans up goes further back
    replica_late_s: float = 60.0  # SEV-3 above it
    redis_keeps: bool = True  # Redis is meant to keep its data on disk
    redis_memory: float = 0.9  # the share of maxmemory, 0..1, from which it is nearly full


class ChangesSettings(SettingsTable):
    """What counts as a change."""

    set_up_at: str = ""  # a time such as 2026-11-30T08:00:00Z: a server that was started before it is no change

    def __post_init__(self) -> None:
        if self.set_up_at:
            try:
                datetime.fromisoformat(self.set_up_at)
            except ValueError:
                raise ValueError("set_up_at is not a time such as 2026-11-30T08:00:00Z") from None

    @property
    def set_up(self) -> datetime | None:
        """The time in UTC; None where none is set."""
        if not self.set_up_at:
            return None
        at = datetime.fromisoformat(self.set_up_at)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class SeverityRules(SettingsTable):
    critical_rate: float = 0.10  # SEV-1 above it
    high_rate: float = 0.05  # SEV-2 above it
    latency_s: float = 5.0  # SEV-2 above it
    alerts: dict[str, str] = msgspec.field(
        default_factory=lambda: {"critical": "SEV-2", "warning": "SEV-3"}
    )  # an alert's severity label -> ours
    # the alerts that the runbook's scenarios open on
    runbook_alerts: tuple[str, ...] = ("HighPurchaseFailureRate", "StuckReservations", "OutboxProcessingFailed")
