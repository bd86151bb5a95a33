"""Clock differences to other hosts, measured on arrival and reported.

Nothing depends on them: windows and leases are timed from arrival by a monotonic clock, and entries are ordered by what
their writers knew. But displayed times are those of the hosts that wrote them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..text.sanitize import clean
from ..text.units import duration

if TYPE_CHECKING:
    import redis.asyncio

log = logging.getLogger(__name__)

WORTH_S = 5.0  # a message may be so long under way; less than this is not said
MOST = 100  # hosts


class Clocks:
    """What was measured last, in seconds: positive for a clock that is ahead of this host's."""

    def __init__(self) -> None:
        self._hosts: dict[str, float] = {}
        self.server_s: float | None = None

    def heard(self, host: str, said: datetime, now: datetime) -> None:
        """A console of this host told its time, and it was heard at `now` of this host's clock."""
        if host in self._hosts or len(self._hosts) < MOST:
            self._hosts[host] = (said - now).total_seconds()

    async def measure(self, client: redis.asyncio.Redis, clock: Callable[[], datetime]) -> None:
        """Ask the war room's Redis for its time. A server that does not allow it tells nothing."""
        from redis.exceptions import ResponseError

        try:
            seconds, microseconds = await client.time()
        except ResponseError as error:
            log.info("the clock of the war room's Redis can't be read: %s", error)
            return
        self.server_s = (datetime.fromtimestamp(seconds + microseconds / 1e6, UTC) - clock()).total_seconds()

    @property
    def skew(self) -> tuple[str, ...]:
        """A sentence for each clock that is out, this host's own first."""
        found = []
        if self.server_s is not None and abs(self.server_s) >= WORTH_S:
            found.append(f"this host's clock is {_apart(-self.server_s)} that of the war room's Redis")
        for host, seconds in sorted(self._hosts.items()):
            if abs(seconds) >= WORTH_S:
                found.append(f"{clean(host, 60)}'s clock is {_apart(seconds)} this host's")
        return tuple(found)


def _apart(seconds: float) -> str:
    return f"{duration(round(abs(seconds)))} {'ahead of' if seconds > 0 else 'behind'}"
