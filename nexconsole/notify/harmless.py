"""Text for services outside: without customers, secrets and markup that a service would act on."""

from __future__ import annotations

import re

from ..text.masking import mask
from ..text.sanitize import clean

LONGEST = 500  # characters of one sentence
_CALLS = re.compile(r"@(?=(?:everyone|here|channel|all|room)\b)", re.IGNORECASE)
_LINK = re.compile(r"\]\(")
_BRACKETS = str.maketrans({"<": "‹", ">": "›"})  # tags, mentions and addresses in brackets
_MARKS = re.compile(r"([*_~`])(?=\1)")


def harmless(text: object, limit: int = LONGEST) -> str:
    """One line: customers and secrets masked; no tags, mentions, links or marks of Slack, Markdown and HTML."""
    line = mask(clean(text, limit)).translate(_BRACKETS).replace("`", "'")
    return _MARKS.sub(r"\1 ", _LINK.sub("] (", _CALLS.sub("(at)", line)))[: limit + 20]
