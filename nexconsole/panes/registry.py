"""The panes, one a line, in the order of the screen; and those of signals that no built-in pane draws."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..text.sanitize import clean
from ..widgets.panel import Panel, RenderContext
from ..widgets.spans import Line, plain, wrapped
from . import (
    alerts,
    circuits,
    database,
    funnel,
    integrity,
    outbox,
    providers,
    reservations,
    transactions,
    workloads,
)
from .view import SignalView

if TYPE_CHECKING:
    from ..signals.signal import Signal

T = TypeVar("T")
log = logging.getLogger(__name__)

PANES: tuple[SignalView, ...] = (
    transactions,
    circuits,
    outbox,
    reservations,
    database,
    workloads,
    alerts,
    funnel,
    providers,
    integrity,
)


def drawn_in(view: SignalView) -> set[str | None]:
    """The signals that a pane draws: its own, those beside it, and its evidence."""
    others = (*getattr(view, "BESIDE", ()), *getattr(view, "EVIDENCE", ()))
    return {view.SIGNAL, getattr(view, "EVENTS", None), *others}


def judged_in(view: SignalView) -> tuple[str, ...]:
    """The signals of a pane whose severity its frame shows."""
    return (view.SIGNAL, *getattr(view, "BESIDE", ()))


def extra_view(signal: Signal[Any]) -> SignalView:
    """The view of a signal that is not ours: its own module's, or lines of its summary.

    A module that can't be imported, or is no view, leaves the summary, with a sentence on why.
    """
    title = clean(signal.title or signal.name.replace("_", " ").replace("-", " ").capitalize(), 30)
    summary = SummaryView(signal, title)
    if not signal.pane:
        return summary
    try:
        module = importlib.import_module(signal.pane)
        return GuardedView(cast("SignalView", module), signal.name, clean(module.TITLE, 30), summary)
    except (Exception, SystemExit) as error:  # whatever a package of somebody else's may raise
        log.exception("the pane of %s", signal.name)
        why = f"its pane {signal.pane} can't be used: {clean(str(error) or type(error).__name__, 200)}"
        return SummaryView(signal, title, why)


@dataclass(frozen=True)
class SummaryView:
    """A signal in the words of its summary and its details. `trouble`: why no pane of its own draws it."""

    signal: Signal[Any]
    TITLE: str
    trouble: str = ""
    NUMBER: int | None = None

    @property
    def SIGNAL(self) -> str:
        return self.signal.name

    def small(self, value: Any, space: RenderContext) -> Panel:
        return Panel(space.alert_level, self._lines(self.signal.summary(value), space.ink, space)[: space.height])

    def detail(self, value: Any, space: RenderContext) -> Panel:
        details = self.signal.details(value) if self.signal.details is not None else ()
        lines = self._lines(self.signal.summary(value), space.ink, space)
        lines += tuple(line for text in details for line in self._lines(text, "text", space))
        lines += self._lines(self.trouble, "doubt", space) if self.trouble else ()
        return Panel(space.alert_level, lines)

    def brief(self, value: Any, space: RenderContext) -> Line:
        return ((plain(self.signal.summary(value), 300), space.ink),)

    @staticmethod
    def _lines(text: str, ink: str, space: RenderContext) -> tuple[Line, ...]:
        return tuple(((line, ink),) for line in wrapped(plain(text, 2000), max(1, space.width), 8))


@dataclass(frozen=True)
class GuardedView:
    """The view of an installed package: what its functions raise leaves the summary in its place."""

    module: SignalView
    SIGNAL: str
    TITLE: str
    instead: SummaryView
    NUMBER: int | None = None

    def small(self, value: Any, space: RenderContext) -> Panel:
        return self._drawn(self.module.small, self.instead.small, value, space)

    def detail(self, value: Any, space: RenderContext) -> Panel:
        return self._drawn(self.module.detail, self.instead.detail, value, space)

    def brief(self, value: Any, space: RenderContext) -> Line:
        return self._drawn(self.module.brief, self.instead.brief, value, space)

    def _drawn(
        self,
        draw: Callable[[Any, RenderContext], T],
        instead: Callable[[Any, RenderContext], T],
        value: Any,
        space: RenderContext,
    ) -> T:
        try:
            return draw(value, space)
        except Exception:
            log.exception("the pane of %s", self.SIGNAL)
            return instead(value, space)
