"""The pane of `queues_signal`."""

from __future__ import annotations

from queues_signal import Queues

from nexconsole.widgets.panel import Listing, Panel, RenderContext
from nexconsole.widgets.spans import Line

TITLE = "Queues"


def small(value: Queues, space: RenderContext) -> Panel:
    return Panel(space.alert_level, (brief(value, space),))


def detail(value: Queues, space: RenderContext) -> Panel:
    return Panel(
        space.alert_level,
        (brief(value, space),),
        Listing(value.names, lambda n: ((f"row of {value.names[n]}", "text"),)),
    )


def brief(value: Queues, space: RenderContext) -> Line:
    return ((f"{value.depth} jobs drawn by the team's pane", space.ink),)
