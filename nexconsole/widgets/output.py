"""What is sent to the terminal when some cells have changed: those cells, and no others.

Textual sends a change together with everything at its left in the same widget; on lines that change at their
right end every second that is most of the bytes. Everything here leans on Textual 8's compositor.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor


class ChangedCells(ChopsUpdate):
    """An update of the spans alone. A chop is a widget's stretch of a line, at its x."""

    def render_segments(self, console: Console) -> str:
        out: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                start = max(x, x1)
                out.append(Control.move_to(start, y).segment.text)
                out.append(strip.crop(start - x, min(end, x2) - x).render(console))
        return "".join(out)


class CellCompositor(Compositor):
    """Textual's compositor, its partial updates narrowed to the changed cells."""

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return None if update is None else ChangedCells(update.chops, update.spans, update.chop_ends)
