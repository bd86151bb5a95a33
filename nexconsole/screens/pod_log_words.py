"""What the logs' page says about itself: its title, its filters, what is followed, what is missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..sources.log_entry import RANK
from ..sources.log_view import ERROR
from ..text.units import clock, count, plural, several
from ..widgets.banner import key_of
from ..widgets.spans import Line, Span, cut, cut_front, fit, phrases, plain

if TYPE_CHECKING:
    from ..sources.log_entry import LogEntry
    from ..sources.log_view import LogView
    from ..sources.logs import Logs
    from .entry_scroll import EntryScroll
    from .pod_log_rows import LogRows

LEVEL_WORDS = {"warn": "warnings and worse", "error": "errors"}
NO_ID = "this line carries no id: old versions write one only where an order or an activation is named"
ALONE = "on this line only: old versions give each line its own"
_NAMED = re.compile(
    rb"(?:DynamicProvider:|\"provider(?:Name)?\":\"|provider(?:Name)?: '|Purchase failed on |purchase from )"
    rb"([\w.-]{1,60})"
)


class LogPage(Protocol):
    """What there is to say something about."""

    @property
    def logs(self) -> Logs: ...
    @property
    def view(self) -> LogView: ...
    @property
    def rows(self) -> LogRows: ...
    @property
    def place(self) -> EntryScroll[LogEntry]: ...


def title(page: LogPage, width: int) -> str:
    if page.view.purchase is not None:
        return f"{page.logs.noun.capitalize()}s' logs: one purchase"
    pod = page.view.filter.pod
    return f"Log of {cut_front(plain(pod, 80), max(8, width // 2))}" if pod else f"{page.logs.noun.capitalize()}s' logs"


def aside(page: LogPage) -> list[Span]:
    """What matters most comes first: what doesn't fit is left out from the end."""
    logs, view = page.logs, page.view
    parts: list[Span] = []
    if view.held:
        parts.append((f"PAUSED, {several(view.new_below, 'new line')} below", "note"))
    if view.unkept:
        parts.append((f"{count(view.unkept)} of them not kept", "warn"))
    if logs.error is not None:
        parts.append((f"the {plural(logs.noun)} are not known: {cut(plain(logs.error), 60)}", "warn"))
    else:
        parts.append((f"{count(len(logs.followed))} of {several(logs.pods, logs.noun)}", "muted"))
    broken = sum(pod.error is not None for pod in logs.followed.values())
    if broken:
        parts.append((f"{broken} not answering", "warn"))
    if view.dropped:
        parts.append((f"{count(view.dropped)} lines dropped", "warn"))
    if view.reading_back:
        parts.append(("reading back", "muted"))
    if view.held:
        parts.append((f"line {count(page.place.index + 1)} of {count(len(view.kept))}", "muted"))
    return parts


def head(page: LogPage, width: int) -> tuple[Line, ...]:
    """The lines above the entries: what is shown only, and what is not followed."""
    view = page.view
    if view.purchase is not None:
        return _purchase(page, width)
    lines: list[Line] = []
    if not replace(view.filter, pod="").empty:  # the pod is in the title
        lines.append(_filters(page, width))
    if asked := _asked(page):
        lines.append(fit(((asked, "warn"),), width))
    return tuple(lines)


def _filters(page: LogPage, width: int) -> Line:
    wanted = page.view.filter
    parts: list[Span] = []
    if wanted.level:
        parts.append((LEVEL_WORDS[wanted.level], "strong"))
    if wanted.provider:
        parts.append((f"provider {plain(wanted.provider, 40)}", "strong"))
    if wanted.wanted or wanted.unwanted:
        parts.append((f"words {plain(wanted.words, 60)}", "strong"))
    parts.append((f"{key_of('logs.remove', type(page))} removes the last", "muted"))
    return fit((("only ", "muted"), *phrases(parts, max(8, width - 5))), width)


def _purchase(page: LogPage, width: int) -> tuple[Line, ...]:
    purchase, kept = page.view.purchase, page.view.kept
    if purchase is None:
        return ()
    back: Span = (f"{key_of('logs.close', type(page))} leaves it", "muted")
    parts: list[Span] = [(plain(purchase.ids[0], 60), "strong")]
    if len(kept) == 1 and not page.view.reading_back:
        return (phrases([*parts, (ALONE, "warn"), back], width),)
    pods = len({entry.pod for entry in kept})
    parts += [(f"{several(len(kept), 'line')} of {several(pods, page.logs.noun)}", "text"), back]
    times = [at for entry in (*kept[:1], *kept[-1:]) if (at := entry.at) is not None]
    if len(times) == 2:
        parts.append((f"{clock(times[0])} to {clock(times[1])}", "muted"))
    return (phrases(parts, width),)


def _asked(page: LogPage) -> str:
    """Why the pod that is asked for is not followed."""
    pod, logs = page.view.filter.pod, page.logs
    if not pod or any(log.name == pod for log in logs.followed.values()):
        return ""
    why = plain(logs.asked.why) if logs.asked.why else "it is asked for now"
    last = "; these are its last lines" if page.view.kept else ""
    return f"the log of {page.rows.short(pod)} is not followed: {why}{last}"


def why_none(page: LogPage) -> str:
    """Why there is no line at all, and how far back was looked."""
    view = page.view
    if view.reading_back:
        return "reading back"
    looked = view.looked_at
    since = f", back to {clock(looked[1])}" if looked[1] is not None else ""
    among = f"{several(looked[0], 'line')} kept{since}"
    if view.purchase is not None:
        return f"none of its lines is among the {among}"
    if not looked[0]:
        return "no line yet"
    return "no line yet" if view.filter.empty else f"no such line among the {among}"


def providers_named(view: LogView, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Those that the lines speak of, the one with the most errors first; then the others that are known."""
    named: Counter[str] = Counter()
    for entry in view.kept:
        for name in set(_NAMED.findall(entry.raw)):
            named[plain(name.decode(errors="replace"), 60)] += 1_000 if RANK[entry.level] >= ERROR else 1
    folded = {name.casefold(): name for name in known}
    spoken = (folded.get(name.casefold(), name) for name, _ in named.most_common())
    return tuple(dict.fromkeys((*spoken, *known)))


def pod_meant(text: str, names: Iterable[str]) -> str:
    """The pod with this name, or the only one whose name ends so; "" for none."""
    names = tuple(names)
    ending = [name for name in names if name.endswith(text)]
    return text if text in names else ending[0] if text and len(ending) == 1 else ""


def no_pod(text: str, names: tuple[str, ...], noun: str = "pod") -> str:
    """Why this names no pod, or no container (`noun`); "" where it does, or where it is empty."""
    if not text or pod_meant(text, names):
        return ""
    many = sum(name.endswith(text) for name in names)
    return f"{count(many)} {noun}s' names end so: type more of it" if many else f"no {noun} has this name, or ends so"
