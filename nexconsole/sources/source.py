"""The base of every source: a name, timing, time-outs, and its last exchange's health."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from ..errors import SourceError, TimedOut, Unreachable, in_words, system_error
from ..model import SourceHealth
from ..text.sanitize import clean
from ..text.units import latency, period
from .lazy_clients import LazyClients
from .proxies import Proxy

log = logging.getLogger(__name__)

IMPATIENT_S = 0.9  # an exchange that is given up after so long tells that its far side is ill


class Source:
    """One system that we read. A subclass translates its client's errors in `explain`.

    `address` is what a person recognises the system by, without credentials: "db.example:6543".
    """

    name = "source"
    module = ""  # the client library, one of clients.ORDER

    def __init__(self, clients: LazyClients, address: str) -> None:
        self.clients = clients
        self.address = address
        self.place = ""  # where in it we are, for a header: "prod-eu/nexnum"
        self.proxy: Proxy | None = None  # what the newest client goes through
        self.health = SourceHealth(name=self.name)
        self._clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def explain(self, error: Exception) -> SourceError | None:
        """The expected failure that a client's error stands for; None: it is none, it is a bug."""
        return None

    @asynccontextmanager
    async def exchange(self, timeout_s: float, what: str) -> AsyncIterator[None]:
        """Bound an exchange in time, keep `health`, and raise only SourceErrors for trouble outside.

        `what` completes "did not answer ... within 3 s", such as "the outbox query".
        """
        await self.clients.wait(self.module)
        began, task = time.perf_counter(), asyncio.current_task()
        told = task.cancelling() if task is not None else 0
        try:
            async with asyncio.timeout(timeout_s):
                yield
            if task is not None and task.cancelling() > told:
                # A client's wait_for lost it: until 3.12 that returns what is there instead.
                raise asyncio.CancelledError
        except TimeoutError as error:
            raise self._failed(
                TimedOut(self.name, f"{self.name} at {self.address} did not answer {what} within {period(timeout_s)}"),
                error,
            ) from error
        except (
            asyncio.CancelledError
        ) as error:  # who asked has lost patience: that the far side hangs is known all the same
            waited = time.perf_counter() - began
            if waited >= IMPATIENT_S:
                sentence = f"{self.name} at {self.address} has not answered {what} for {latency(waited)}"
                self._failed(TimedOut(self.name, sentence), error)
            raise
        except SourceError as error:
            raise self._failed(error, error) from error.__cause__
        except Exception as error:
            known = self.explain(error)
            if known is None and isinstance(error, OSError):
                known = self._network(error)
            if known is None:
                raise
            raise self._failed(known, error) from error
        else:
            self.health = SourceHealth(
                name=self.name,
                place=self.place,
                latency_ms=(time.perf_counter() - began) * 1000,
                ok_at=self._clock(),
            )

    def _network(self, error: Exception) -> SourceError:
        """The sentence for a socket's own errors: refused, no such host, reset, TLS."""
        reasons = {
            "ConnectionRefusedError": "the connection was refused: is it running, is the port right?",
            "gaierror": "the host name does not resolve: check the address and DNS",
            "ConnectionResetError": "the connection was dropped in the middle of an exchange",
            "FileNotFoundError": "there is no such file: check ca_file, or the path of its socket",
            "BrokenPipeError": "the connection was dropped in the middle of an exchange",
            "SSLCertVerificationError": "its TLS certificate can't be verified: set ca_file, or check the host name",
            "SSLError": "the TLS handshake failed: does this port speak TLS?",
        }
        if isinstance(error, OSError):
            error = system_error(error)
        known = (reasons[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in reasons)
        reason = next(known, clean(in_words(error), 200))
        return Unreachable(self.name, f"{self.name} at {self.address}: {reason}")

    def _failed(self, error: SourceError, cause: BaseException) -> SourceError:
        if self.health.error != str(error):
            log.warning("%s (%s)", error, clean(repr(cause), 300))
        self.health = SourceHealth(
            name=self.name,
            place=self.place,
            latency_ms=self.health.latency_ms,
            ok_at=self.health.ok_at,
            failed_at=self._clock(),
            error=str(error),
            kind=error.kind,
        )
        return error

    async def close(self) -> None:
        """Let go of connections at once; never waits for the far side."""
