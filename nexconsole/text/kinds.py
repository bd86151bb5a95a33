"""A kind of confidential text: its pattern, its replacement, examples and counter-examples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Hide = Callable[[re.Match[str]], str]

# Other scripts' digits, blanks, hyphens and plus signs, read as ASCII's, one character for one.
_FOLDED = {
    **{ord(zero) + n: str(n) for zero in "٠۰०০０" for n in range(10)},
    **dict.fromkeys(
        map(
            ord,
            "\u200b\u200c\u200d\u2060\ufeff\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000",
        ),
        " ",
    ),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63, 0xFF0D), "-"),
    ord("＋"): "+",
}


FEWEST = 8  # digits of a phone number without its country's code


def tag(secret: str) -> str:
    """`‹7f3a›`: the same for the same thing, however its digits are set apart or its letters are written."""
    digits = re.sub(r"\D", "", secret)
    phone = re.fullmatch(r"[+\d ().-]+", secret) and len(digits) >= FEWEST
    same = digits.removeprefix("00") if phone else secret.casefold()
    return f"‹{hashlib.sha256(same.encode('utf-8', 'surrogatepass')).hexdigest()[:4]}›"


@dataclass(frozen=True, kw_only=True)
class TextKind:
    """`examples` are pairs: a text, and the part of it that must not be seen. `kept` are texts that must stay whole.

    `folded` kinds are looked for with other scripts' digits, blanks and hyphens read as ASCII's. `hints`, where there
    are any, are small letters of which one stands in every text that the pattern finds: others cost nothing.
    """

    name: str
    pattern: re.Pattern[str]
    hide: Hide
    examples: tuple[tuple[str, str], ...]
    kept: tuple[str, ...] = ()
    folded: bool = False
    hints: tuple[str, ...] = ()

    def hidden(self, text: str) -> str:
        """The text with everything of this kind replaced."""
        if not self.folded or text.isascii():
            return self.pattern.sub(self.hide, text)
        folded = text.translate(_FOLDED)
        parts, end = [], 0
        for found in self.pattern.finditer(folded):
            shown = self.hide(found)
            if shown != found[0]:
                parts += [text[end : found.start()], shown]
                end = found.end()
        return "".join([*parts, text[end:]])


def hide_all(kinds: Iterable[TextKind], text: str) -> str:
    """The text with every kind replaced, in their order."""
    lower = text.lower()
    for kind in kinds:
        if not kind.hints or any(hint in lower for hint in kind.hints):
            text = kind.hidden(text)
    return text
