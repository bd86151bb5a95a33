"""The report as Markdown, HTML and JSON, and the line for the chat channel. The same incident gives the same bytes.

All of these may be shared, so customer data in them is masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from html import escape
from typing import Any

import msgspec

from ..incident.actions import ActionRecord
from ..incident.incident import CALM, Incident
from ..incident.metrics import metric_specs, ranges
from ..incident.timing import recovered, timing_of
from ..signals.signal import Number
from ..text.masking import mask
from ..text.units import clock_minute, duration
from . import chart
from .blocks import Block, Bullets, Chart, Code, Heading, ReportTable, Text
from .content import figures, questions, sections
from .masked import masked

FORMAT = 1  # of the JSON document
SHOWN_ACTIONS = 3
GOES_ON = timedelta(hours=6)  # without an entry for so long an incident is not counted on
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&#])")
_FENCE = re.compile(r"`{3,}")
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}
h1{font-size:1.6rem}h2{border-bottom:1px solid #999;margin-top:2rem}h3{margin-bottom:.3rem}
table{border-collapse:collapse;width:100%;margin:.6rem 0}
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0}
td,th{border-bottom:1px solid #ddd;overflow-wrap:break-word}
td:last-child,li,p,h1,h3{overflow-wrap:anywhere}
td:first-child{white-space:nowrap}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;border:1px solid #ccc;padding:.5rem;font-size:13px}
svg{width:100%;max-width:46rem;font:11px system-ui,sans-serif}
@media print{body{margin:0;max-width:none;font-size:11pt}h2,h3{break-after:avoid}tr,pre,svg{break-inside:avoid}}
"""


def as_markdown(incident: Incident, name: str) -> str:
    """The report in Markdown; texts in it can't break the markup."""
    incident, name = masked(incident), mask(name)
    lines = [f"# Incident report: {_escaped(name)}", ""]
    for section in sections(incident):
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_markdown(block, incident), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _markdown(block: Block, incident: Incident) -> list[str]:
    match block:
        case Heading(text):
            return [f"### {_escaped(text)}"]
        case Text(text, strong):
            return [f"**{_escaped(text)}**" if strong else _escaped(text)]
        case Bullets(lines):
            return [f"- {_escaped(line)}" for line in lines]
        case Code(text):
            fence = "`" * (1 + max((len(found) for found in _FENCE.findall(text)), default=2))
            return [f"{fence}sh", *text.split("\n"), fence]
        case ReportTable(head, rows):
            cells = [head, ("---",) * len(head), *(tuple(map(_escaped, row)) for row in rows)]
            return [f"| {' | '.join(row)} |" for row in cells]
        case Chart():
            drawn = chart.as_text(incident)
            return ["```text", drawn, "```"] if drawn else []


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def as_html(incident: Incident, name: str) -> str:
    """The report as one HTML page: no script, nothing fetched, every text escaped, printable."""
    incident, name = masked(incident), mask(name)
    title = escape(f"Incident report: {name}")
    body = [f"<h1>{title}</h1>"]
    for section in sections(incident):
        body += [f"<h2>{escape(section.title)}</h2>", *(_html(block, incident) for block in section.blocks)]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style></head>\n'
        "<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _html(block: Block, incident: Incident) -> str:
    match block:
        case Heading(text):
            return f"<h3>{escape(text)}</h3>"
        case Text(text, strong):
            return f"<p>{'<strong>' * strong}{escape(text)}{'</strong>' * strong}</p>"
        case Bullets(lines):
            return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case ReportTable(head, rows):
            top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
            body = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
            return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"
        case Chart():
            return chart.as_svg(incident)


def as_json(incident: Incident, name: str) -> str:
    """The whole incident for scripts; times are ISO 8601 in UTC, lengths in seconds or null."""
    incident, name = masked(incident), mask(name)
    lengths = timing_of(incident)
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "incident": _plain(incident),
        "seconds_to": {
            key: None if (length := getattr(lengths, key)) is None else length.total_seconds()
            for key in ("detect", "engage", "mitigate", "recover")
        },
        "figures": figures(incident),
        "measured": {metric_range.name: metric_range for metric_range in ranges(incident.figures, incident.metrics)},
        "series": chart.series(incident),
        "questions": questions(incident),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _plain(incident: Incident) -> dict[str, Any]:
    """The incident as JSON has it: how figures are said is no part of it."""
    plain: dict[str, Any] = msgspec.to_builtins(replace(incident, metrics=None))
    del plain["metrics"]
    return plain


def as_line(incident: Incident, now: datetime, current: Mapping[str, Number | None] | None = None) -> str:
    """The state for a chat channel, such as `SEV-1 22 min, smsbower disabled 14:07, failure rate 31.0 % -> 4.0 %`.

    Figures go from their worst on record to the last known: `current` has what is known by now.
    `now` (UTC) counts while the incident goes on: not closed, not calm, an entry in the last six hours.
    """
    if incident.begin is None or incident.end is None:
        return "no entries"
    incident = masked(incident)
    measured = list(_measured(incident, current or {}))
    parts = [_state(incident, now), *(_short(action, not measured) for action in incident.actions[-SHOWN_ACTIONS:])]
    told = {action.intent for action in incident.actions[-SHOWN_ACTIONS:]}
    left = [open_item.what for open_item in incident.standing if open_item.intent not in told]
    parts += measured
    if incident.broken_glass:
        parts.append(f"GLASS BROKEN for {', '.join(dict.fromkeys(glass.action for glass in incident.broken_glass))}")
    if left:
        parts.append(f"still in force: {', '.join(left)}")
    return ", ".join(parts)


def _state(incident: Incident, now: datetime) -> str:
    """The declared severity until the incident is closed; else the judged one."""
    assert incident.begin is not None and incident.end is not None and incident.since is not None
    levels = sorted((*incident.levels, *incident.declared), key=lambda level: level.at)
    risen = next((level.at for level in levels if level.level != CALM), None)
    if risen is None:
        return f"no severity on record, {duration(incident.lasted, exact=True)}"
    since = incident.since if incident.opened_by else risen
    calm, declared = recovered(incident), incident.declared and incident.level != CALM
    if calm is not None and (incident.closed is not None or not declared):
        return f"over after {duration(calm - since, exact=True)}"
    on = incident.closed is None and incident.end <= now < incident.end + GOES_ON
    lasted = duration((now if on else incident.end) - since, exact=True)
    return f"{incident.level} {lasted}" if incident.closed is None else f"closed at {incident.level} after {lasted}"


def _measured(incident: Incident, current: Mapping[str, Number | None]) -> Iterator[str]:
    """The figures that were ever bad, from their worst to now."""
    specs = metric_specs() if incident.metrics is None else incident.metrics
    recorded = {metric_range.name: metric_range for metric_range in ranges(incident.figures, specs)}
    for name, spec in specs.items():
        known = recorded.get(name)
        now = current.get(name)
        now = known.end if now is None and known is not None else now
        worst = max(known.worst, now) if known is not None and now is not None else now
        if now is None or worst is None or spec.told_above is None or worst <= spec.told_above:
            continue
        yield f"{spec.title} {spec.say(worst)}" + (f" -> {spec.say(now)}" if now != worst else "")


def _short(action: ActionRecord, because: bool) -> str:
    """An action in words; why its verdict is what it is only where no figures tell."""
    done = {"provider.disable": "disabled", "provider.enable": "enabled"}.get(action.action)
    at = clock_minute(action.at)
    told = f"{action.subject} {done} {at}" if done and action.happened else f"{action.name} {at}"
    if not action.happened:
        return f"{told} ({action.outcome})"
    back = ", taken back" if action.undone_at else ""
    why = f": {action.because}" if because or action.verdict != "worked" else ""
    return f"{told} ({action.verdict}{why}{back})" if action.verdict else f"{told} (no verdict yet{back})"
