"""NexNum's recorded logs as a kubelet hands them out, and the customers' answers. (data/purchases/README.md)"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

from nexconsole.sources.breakers import BreakerHistory
from nexconsole.sources.pod_log import PodLog
from nexconsole.sources.purchases import Purchases

DATA = Path(__file__).parent / "data" / "purchases"
PAUSE_S = 5.0
ENDS = ("[PURCHASE] Provider failed", "[PURCHASE] Success")
DAY = datetime(2026, 11, 29, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Customer:
    """`at` is when it asked, in epoch seconds; `took_s` how long the answer took."""

    at: float
    provider: str
    status: int
    took_s: float


@cache
def customers(name: str) -> tuple[Customer, ...]:
    text = gzip.decompress((DATA / f"{name}-customers.txt.gz").read_bytes()).decode()
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(
        Customer(datetime.fromisoformat(at).timestamp(), provider, int(status), int(ms) / 1000)
        for at, provider, status, ms in rows
    )


@cache
def plain_lines(name: str) -> tuple[str, ...]:
    return tuple(gzip.decompress((DATA / f"{name}-app.log.gz").read_bytes()).decode("utf-8", "replace").split("\n"))


def head_json() -> list[tuple[float, str]]:
    """The newest version's JSON, each line at the time that it says."""
    return [(json.loads(line)["time"] / 1000, line) for line in plain_lines("head") if line.startswith("{")]


def head_pretty() -> list[tuple[float, str]]:
    """The same version with LOG_PRETTY: a line's second is known, and the order within it."""
    found = []
    for line in plain_lines("head"):
        if said := re.match(r"\x1b\[90m\[(\d\d):(\d\d):(\d\d)\]", line):
            hours, minutes, seconds = (int(part) for part in said.groups())
            found.append((DAY + 3600 * hours + 60 * minutes + seconds, line))
    return found


def oldest() -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """The oldest version's two runs. Only JSON lines have a time; the others have the next one's, which follows soon.
    In a pause between two, all up to the last line that ends a purchase came before the pause."""
    lines = plain_lines("e0")
    times = [json.loads(line)["time"] / 1000 if line.startswith('{"level"') else None for line in lines]
    known = [n for n, at in enumerate(times) if at is not None]
    found = list(times)
    for first, last in zip([-1, *known], [*known, len(lines)], strict=True):
        between = range(first + 1, last)
        before, after = (times[n] if 0 <= n < len(lines) else None for n in (first, last))
        pause = before is not None and (after is None or after - before > PAUSE_S)
        ended = max((n for n in between if lines[n].startswith(ENDS)), default=first) if pause else first
        for n in between:
            found[n] = before if n <= ended or after is None else after
    second = max(n for n, line in enumerate(lines) if "▲ Next.js" in line)
    pairs = [(at or 0.0, line) for at, line in zip(found, lines, strict=True)]
    return pairs[:second], pairs[second:]


def stamped(lines: list[tuple[float, str]]) -> Iterator[bytes]:
    """As the kubelet gives them out with --timestamps: in order, each with a time of its own."""
    last = 0
    for at, line in lines:
        last = max(last + 1, int(at * 1e9))
        moment = datetime.fromtimestamp(last // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        yield f"{moment}.{last % 10**9:09}Z {line}\n".encode()


class Told(Purchases):
    """Keeps how each purchase ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[float, str, str, str]] = []  # began, provider, outcome, reason

    def _end(self, one, at, outcome, reason) -> None:
        self.ends.append((one.began, one.provider, outcome, reason))
        super()._end(one, at, outcome, reason)


def follow(lines: list[tuple[float, str]], told: Purchases, pod: PodLog) -> None:
    """Feed a log through a pod's stream, in chunks as a connection gives them."""
    data, chance = b"".join(stamped(lines)), Random(7)
    pod.open(900, 1_000_000, datetime.fromtimestamp(lines[0][0], UTC))
    history, start = BreakerHistory(), 0
    while start < len(data):
        size = chance.choice((100, 4_000, 90_000))
        pod.take(data[start : start + size], history, told)
        start += size
