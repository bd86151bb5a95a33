"""`nexconsole docs [TOPIC]`: the pages that ship with the console, also where there is no browser."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from .. import docs
from ..text.suggestions import did_you_mean
from . import pager
from .parsing import UsageError

if TYPE_CHECKING:
    from .parsing import Parser

WIDEST = 120  # cells; longer lines are hard to read
TOPIC_HELP = "a page, or a section of it, as in nexnum#outbox; without it: list the pages"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("topic", metavar="TOPIC", nargs="?", help=TOPIC_HELP)


def run(options: Namespace) -> int:
    """Print the list, or a page; 0. Raises UsageError where there is no such page or section."""
    if options.topic is None:
        width = max(map(len, docs.TOPICS))
        print("\n".join(f"{topic.name:<{width}}  {topic.about}" for topic in docs.TOPICS.values()))
        return 0
    text = find(options.topic)
    pager.show(_for_a_terminal(text) if sys.stdout.isatty() else text)
    return 0


def find(topic: str) -> str:
    """The Markdown of a page or section, cited as `nexnum`, `nexnum.md` or `nexnum.md#outbox`."""
    name, _, wanted = topic.lower().partition("#")
    name = name.removesuffix(".md")
    if name not in docs.TOPICS:
        near = did_you_mean(name, docs.TOPICS) or ": `nexconsole docs` lists them"
        raise UsageError(f"there is no page {name!r}{near}")
    text = docs.TOPICS[name].text()
    if not wanted:
        return text
    section = docs.section(text, wanted)
    if section is None:
        near = did_you_mean(wanted, docs.anchors(text)) or f": `nexconsole docs {name}` shows the whole page"
        raise UsageError(f"{name} has no section {wanted!r}{near}")
    return section


def _for_a_terminal(text: str) -> str:
    """Markdown as Rich draws it, without pictures. A terminal that can't do more gets it as it is written."""
    if os.environ.get("TERM", "dumb") == "dumb" or "utf" not in (sys.stdout.encoding or "").lower():
        return text
    from .markdown import drawn

    return drawn(text, min(shutil.get_terminal_size().columns, WIDEST), colour="NO_COLOR" not in os.environ)
