"""A pod's own metrics registry, in Prometheus' text format. (nexnum.md#metrics-old, #metrics-head)"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

Labels = tuple[tuple[str, str], ...]

FAMILIES = {
    "nexnum_provider_api_calls_total": ("counter", "Total number of provider API calls"),
    "nexnum_wallet_transactions_total": ("counter", "Total number of wallet transactions"),
    "nexnum_http_requests_total": ("counter", "Total number of HTTP requests"),
    "nexnum_purchase_duration_seconds": ("histogram", "Duration of purchase stages in seconds"),
    "nexnum_reservation_stuck_count": ("gauge", "Number of stuck reservations"),
    "nexnum_lifecycle_circuit_state": ("gauge", "Lifecycle circuit state (0 closed, 1 open, 2 half-open)"),
    "nexnum_process_start_time_seconds": ("gauge", "Start time of the process since unix epoch in seconds."),
    "nexnum_process_resident_memory_bytes": ("gauge", "Resident memory size in bytes."),
}
PURCHASE_BUCKETS = (0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
_HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


@cache
def _labels(pairs: Labels) -> Labels:
    """One tuple for equal labels: many snapshots are kept."""
    return tuple(sorted(pairs))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


class Registry:
    """Counters, gauges and histograms by (name, labels); the labels are sorted pairs. Lives as long as its process."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, Labels], float] = {}

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        key = (name, _labels(tuple(labels.items())))
        self.values[key] = self.values.get(key, 0.0) + by

    def set(self, name: str, value: float, **labels: str) -> None:
        self.values[name, _labels(tuple(labels.items()))] = value

    def observe(self, name: str, value: float, times: float = 1.0, **labels: str) -> None:
        """A histogram with the purchase's buckets: all of them exist from the first observation on."""
        for bound in PURCHASE_BUCKETS:
            self.count(f"{name}_bucket", times if value <= bound else 0.0, **labels, le=_number(bound))
        self.count(f"{name}_bucket", times, **labels, le="+Inf")
        self.count(f"{name}_sum", value * times, **labels)
        self.count(f"{name}_count", times, **labels)

    def text(self) -> str:
        """The exposition text; a labelled counter that was never used has HELP and TYPE and no sample."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for family, (kind, words) in FAMILIES.items():
            yield f"# HELP {family} {words}"
            yield f"# TYPE {family} {kind}"
            names = {f"{family}{part}" for part in _HISTOGRAM_PARTS} if kind == "histogram" else {family}
            for (name, labels), value in self.values.items():
                if name in names:
                    pairs = ",".join(f'{label}="{text}"' for label, text in labels)
                    yield f"{name}{{{pairs}}} {_number(value)}" if pairs else f"{name} {_number(value)}"
