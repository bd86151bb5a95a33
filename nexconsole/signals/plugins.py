"""Signals and probes of installed packages: entry points of the groups `nexconsole.signals` and `nexconsole.probes`.

An entry point's object is a `Signal`, or a `Probe` (or an iterable of probes) of a signal that there is. They are
loaded when the registry is first asked, and only once. One that is broken is left out, and `problems` says why; a
fault that shows later is a sentence in the reading.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar, cast

from ..catalogue import KINDS
from ..errors import NexConsoleError, SettingsError, SourceError
from ..model import Value
from ..text.sanitize import clean
from .probe import Probe, ProbeResult
from .signal import Signal

log = logging.getLogger(__name__)

SIGNALS, PROBES = "nexconsole.signals", "nexconsole.probes"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
T = TypeVar("T")
_LOCK = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What installed packages bring. `problems`: a sentence for each entry point that is left out."""

    signals: tuple[Signal[Any], ...] = ()
    probes: tuple[Probe, ...] = ()
    problems: tuple[str, ...] = ()


def installed() -> Installed:
    """The signals and probes of all installed packages."""
    with _LOCK:  # threads may ask at the same time
        return _load()


@cache
def _load() -> Installed:
    problems: list[str] = []
    signals: list[Signal[Any]] = []
    probes: list[Probe] = []
    for point in entry_points(group=SIGNALS):
        signals += _loaded(point, "signal", problems, lambda point: [_signal(point)])
    for point in entry_points(group=PROBES):
        probes += _loaded(point, "probe", problems, _probes)
    return Installed(signals=tuple(signals), probes=tuple(probes), problems=tuple(problems))


def _loaded(point: EntryPoint, kind: str, problems: list[str], load: Callable[[EntryPoint], list[T]]) -> list[T]:
    try:
        return load(point)
    except (Exception, SystemExit) as error:  # whatever a package of somebody else's may raise
        log.exception("the %s %s of an installed package", kind, point.name)
        package = clean(point.dist.name if point.dist is not None else point.value, 60)
        why = clean(str(error) or type(error).__name__, 200)
        problems.append(f"the {kind} {clean(point.name, 60)} of {package} is left out: {why}")
        return []


def _signal(point: EntryPoint) -> Signal[Any]:
    signal = point.load()
    if not isinstance(signal, Signal):
        raise SettingsError("its object is no Signal")
    if not NAME.fullmatch(signal.name) or signal.name != point.name:
        raise SettingsError(f"its name must be {point.name}: small letters, digits, - and _")
    if not (isinstance(signal.kind, type) and issubclass(signal.kind, Value)):
        raise SettingsError("its kind is no subclass of Value")
    if signal.every <= 0 or signal.timeout <= 0:
        raise SettingsError("every and timeout must be above 0")
    if unknown := [kind for kind in signal.arguments if kind not in KINDS]:
        raise SettingsError(f"there is no kind of argument {unknown[0]}")
    if foreign := [probe for probe in signal.probes if not isinstance(probe, Probe) or probe.signal != signal.name]:
        raise SettingsError(f"{getattr(foreign[0], 'name', foreign[0])} is no probe of {signal.name}")
    return guarded(signal)


def _probes(point: EntryPoint) -> list[Probe]:
    brought = point.load()
    probes = [brought] if isinstance(brought, Probe) else list(brought)
    if not probes or not all(isinstance(probe, Probe) for probe in probes):
        raise SettingsError("its object is no Probe, and no list of probes")
    return [_guarded_probe(probe) for probe in probes]


def guarded(signal: Signal[Any]) -> Signal[Any]:
    """The same signal: whatever its functions raise is a sentence, and never ends the console."""
    name, kind = signal.name, cast("type[Value]", signal.kind)

    async def read(*given: Any) -> Value:
        try:
            value: Value = await signal.read(*given)
        except (NexConsoleError, TimeoutError):
            raise
        except Exception as error:
            raise SourceError(name, _broken(name, error)) from error
        if not isinstance(value, kind):
            raise SourceError(name, f"{name} is broken: it read no {kind.__name__}")
        return value

    return replace(
        signal,
        read=read,
        wake=_guarded(signal.wake, lambda error: None),
        summary=_guarded(signal.summary, lambda error: _broken(name, error)),
        reasons=_guarded_rows(signal.reasons, name),
        reasons_across=_guarded_rows(signal.reasons_across, name),
        numbers=_guarded(signal.numbers, lambda error: {}),
        exported=tuple(metric._replace(read=_guarded_rows(metric.read, name)) for metric in signal.exported),
        observe=_guarded_rows(signal.observe, name),
        probes=tuple(map(_guarded_probe, signal.probes)),
        arguments={kind: _guarded_rows(words, name) for kind, words in signal.arguments.items()},
        details=_guarded_rows(signal.details, name),
    )


def _guarded_probe(probe: Probe) -> Probe:
    def unknown(error: Exception) -> ProbeResult:
        return ProbeResult(text=f"not known: {_broken(probe.name, error)}", value=None)

    return replace(probe, read=_guarded(probe.read, unknown))


def _guarded(call: Any, instead: Callable[[Exception], Any]) -> Any:
    """The call; what it raises makes `instead` of it. None stays None."""
    if call is None:
        return None

    def guard(*given: Any) -> Any:
        try:
            return call(*given)
        except Exception as error:
            return instead(error)

    return guard


def _guarded_rows(call: Callable[..., Iterable[Any]] | None, name: str) -> Any:
    """The same for what gives rows, which may be a generator: a fault in it leaves all of them out."""

    def none(error: Exception) -> tuple[Any, ...]:
        _broken(name, error)
        return ()

    return None if call is None else _guarded(lambda *given: tuple(call(*given)), none)


def _broken(name: str, error: Exception) -> str:
    log.error("%s raised", name, exc_info=error)
    return f"{name} is broken: {clean(str(error) or type(error).__name__, 200)}"
