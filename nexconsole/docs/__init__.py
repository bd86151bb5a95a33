"""The documentation that ships with the console: Markdown pages for `nexconsole docs`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PACKAGE = _HERE.parent
_CHECKOUT = _PACKAGE.parent

_FENCE = re.compile(r"^(```|~~~)")
_HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$")


@dataclass(frozen=True)
class Topic:
    """A page by its name. `places`: where its file may lie, in a wheel first, then in a checkout."""

    name: str
    about: str
    places: tuple[Path, ...]

    def text(self) -> str:
        """The page, as Markdown."""
        place = next((place for place in self.places if place.is_file()), self.places[-1])
        return place.read_text(encoding="utf-8")


TOPICS = {
    topic.name: topic
    for topic in (
        Topic("readme", "the console, its commands and settings", (_HERE / "readme.md", _CHECKOUT / "README.md")),
        Topic("runbook", "what to do when NexNum hurts", (_PACKAGE / "runbook" / "incident-response.md",)),
        Topic("nexnum", "what NexNum does: tables, metrics, log lines, Redis keys, routes", (_HERE / "nexnum.md",)),
        Topic("architecture", "how the console is built, and where to change what", (_HERE / "architecture.md",)),
        Topic("signals", "signals of your own: in the settings, or in a package", (_HERE / "signals.md",)),
        Topic(
            "security",
            "what the console can do, and what protects it",
            (_HERE / "security.md", _CHECKOUT / ".github" / "SECURITY.md"),
        ),
        Topic("changelog", "what each version brought", (_HERE / "changelog.md",)),
    )
}


def anchor(heading: str) -> str:
    """A heading's anchor, as on GitHub: `Stuck rows` -> `stuck-rows`."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def anchors(text: str) -> list[str]:
    """The anchors of a page's sections, in their order."""
    return [anchor(heading) for _, _, heading in _headings(text)]


def section(text: str, wanted: str) -> str | None:
    """One section with its heading, and with the sections below it; None where the page has none of that anchor."""
    lines = text.splitlines()
    begin = depth = None
    for number, level, heading in _headings(text):
        if begin is not None and depth is not None and level <= depth:
            return _joined(lines[begin:number])
        if begin is None and anchor(heading) == wanted:
            begin, depth = number, level
    return None if begin is None else _joined(lines[begin:])


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Line number, level and words of each heading; a `#` in a code block is none."""
    code = False
    for number, line in enumerate(text.splitlines()):
        if _FENCE.match(line):
            code = not code
        elif not code and (match := _HEADING.match(line)):
            yield number, len(match[1]), match[2]
