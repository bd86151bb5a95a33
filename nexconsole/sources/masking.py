"""Customer data in texts from outside, masked for eyes that need not see it: a shared screen, a report.

What is masked: phone numbers, e-mail and IP addresses, ids of users and all other uuids (a provider's id is one too:
its name says which), tokens, logins, SMS codes, and SQL statements but for their first word. Each leaves a tag such as
`‹7f3a›`, the same for the same thing, so that two can be told apart. Names of people can't be known from other words.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache

from .text import redact

CACHED = 8_192
LONGEST_CACHED = 4_000  # characters

_TAG = re.compile("‹[0-9a-f]{4}›")
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]{3,}(?:\.[\w-]*)?")
_TOKEN = re.compile(
    r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}|\bgh[pousr]_\w{16,}|\bxox[abprs]-[\w-]{8,}|\bAKIA[0-9A-Z]{12,}"
    r"|\b[0-9a-fA-F]{32,}\b"
    r"|\b(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])[A-Za-z0-9]{24,}\b"
)
_UUID = re.compile(r"(?i)(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])")
# Keys whose last part is a user's, with the user's id as their second group; patterns and placeholders stay.
_KEYS = re.compile(
    r"(?i)(\b(?:lock:purchase:(?:atomic:)?|lock:(?:number|candidate|user|wallet):|poll:lock:|idem:|auth:|session:|spend:"
    r"|nexnum:orders:|ratelimit:(?!provider)[\w:@-]{0,60}?:))(?![*{<‹…]|atomic:)([^\s*{}'\"‹›,;)]+)(?!\*)"
)
_NAMED = re.compile(
    r"(?i)((?<![a-z])(?:user|customer|account|owner|wallet|telegram|chat)[_-]?ids?"
    r"|(?<![a-z])(?:phone|msisdn|mobile|telephone|recipient)(?:[_-]?(?:number|no))?"
    r"|(?<![a-z])(?:sms|otp|verification)[_-]?(?:code|text|pin)|(?<![a-z])otp|(?<![a-z])e-?mail(?:[_-]?address)?"
    r"|(?<![a-z])ip[_-]?address|(?<![a-z])client[_-]?ip|(?<![a-z])x-forwarded-for)"
    r"(\\?[\"']?\)?\s*(?:=>|[:=])\s*\\?[\"'(]?\s*)"
    r"(?![‹*{$<]|null\b|none\b|undefined\b|true\b|false\b)(\+?\d[\d ().-]{0,40}\d|[^\s\"',;&(){}\[\]\\]+)"
)
_MAIL = re.compile(r"[\w.+%'-]{0,64}[\w+%-]@[\w-]{1,64}(?:\.[\w-]{1,64}){0,9}\.[^\W\d_]{2,24}", re.UNICODE)
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?(?![\w:])")
# Digits that are no phone number: incidents' ids, dates and times, figures with a point, amounts by thousands.
_NO_PHONE = re.compile(
    r"INC-\d{8}-\d{4}|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T _-][0-2]\d[:-]?[0-5]\d(?:[:-]?[0-5]\d(?:[.,]\d+)?)?)?"
    r"|(?<![\d.])\d+\.\d+(?![\d.])(?!\s*[-(]?\d{3})|(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d,])"
)
_PHONE = re.compile(
    r"(?<!\w)\+ ?\d(?:[ .()/-]{0,2}\d){6,14}(?!\d)|\+\d{7,}"  # E.164, with any of the usual separators
    r"|(?<![\w+])(?<!\d\.)(?:0\d{8,10}|\d{10,15})(?!\w)"  # as providers write it
    r"|(?<![\w+])(?<!\d[.,:/])(?:"
    r"00[1-9](?:[ .-]?\d){7,13}"
    r"|\(\d{1,5}\)[ -]?\d(?:[ .-]?\d){4,10}"
    r"|\d{1,5}(?:[ .-]\(?\d{1,5}\)?){1,5}(?:[ .-]\d{2,9})"
    r"|\d{1,5}[ -]\d{6,9}"
    r")(?!\w)(?!\.\d|:\d|[-/]\d)"
)
_FEWEST = 8  # digits of a number without its country's code
_CUT = re.compile(
    r"(?:(?<![\w.])\+?\d[\d ().-]{3,40}|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{0,28}|\beyJ[\w.-]{0,2000}"
    r"|[\w.+%-]{1,64}@[\w.-]{0,64})(?=…|\.\.\.$)"
)
_WORDS = "select|insert|update|delete|with|copy|merge|call|execute|truncate|alter|create|drop|grant|prepare|declare"
_VERB = re.compile(rf"(?is)(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*({_WORDS}|[a-z]+)\b")
_SHAPES = (
    r"SELECT\b(?=.{0,4000}?\bFROM\b|\s+[\w\"]+\()|INSERT\s+INTO\b|DELETE\s+FROM\b|WITH\s+[\w\"]+\s+AS\b"
    r"|UPDATE\s+(?:ONLY\s+)?[\w\".]+\s+(?:AS\s+\w+\s+)?SET\b|COPY\s+[\w\".]+\s+(?:FROM|TO)\b|MERGE\s+INTO\b"
    r"|EXECUTE\s+\w+\s*\("
)
# In small letters it may be a sentence: unless it stands where one begins, it must go on as only SQL does.
_SMALL = (
    r"insert\s+into\s+[\w\".]+\s*\(|update\s+[\w\".]+\s+set\s+[\w\".]+\s*=|delete\s+from\s+[\w\".]+\s+where\b"
    r"|select\s.{1,2000}?\sfrom\s+[\w\".]+\s+(?:\w+\s+)?where\b"
)
_BEGUN = r"(?:^|(?<=[`'\":({=>] )|(?<=[`'\":({=>]))"
_STATEMENT = re.compile(rf"(?s)(?:\b(?:{_SHAPES}|{_SMALL})|{_BEGUN}(?:{_SHAPES.lower()})).*")


def mask(text: str) -> str:
    """The text with customer data, credentials and SQL replaced. Masking twice is masking once."""
    return _cached(text, True) if len(text) <= LONGEST_CACHED else _masked(text, True)


def mask_command(text: str) -> str:
    """As `mask`, for a literal command of our own: its statement stays, what it says of customers doesn't."""
    return _cached(text, False) if len(text) <= LONGEST_CACHED else _masked(text, False)


def mask_query(query: str) -> str:
    """A query that somebody else runs, masked down to its first word: `UPDATE …`."""
    found = _VERB.match(query)
    return f"{found[1].upper()} …" if found else "…" if query.strip() else ""


def mask_figures(text: str) -> str:
    """Only what can't be anything else: a last look at lines that also hold our own figures, widths kept."""
    for pattern in (_JWT, _UUID, _MAIL, _LOUD_PHONE):
        text = pattern.sub(_same_width, text)
    return _IP4.sub(lambda found: _same_width(found) if _outside(found[0]) else found[0], text)


_LOUD_PHONE = re.compile(r"(?<![\w+])\+[1-9](?:[ ()-]{0,2}\d){8,14}(?!\w)")


@lru_cache(maxsize=CACHED)
def _cached(text: str, statements: bool) -> str:
    return _masked(text, statements)


def _masked(text: str, statements: bool) -> str:
    text = redact(text)
    if statements:
        text = _STATEMENT.sub(lambda found: mask_query(found[0]), text)
    for pattern in (_JWT, _UUID):
        text = pattern.sub(_whole, text)
    text = _KEYS.sub(lambda found: found[1] + tag(found[2]), text)
    text = _NAMED.sub(_named, text)
    for pattern in (_MAIL, _TOKEN):
        text = pattern.sub(_whole, text)
    text = _IP4.sub(_address, _IP6.sub(_address, text))
    text = _between(text, _NO_PHONE, lambda part: _PHONE.sub(_phone, part))
    return _CUT.sub(_whole, text)


def tag(secret: str) -> str:
    """`‹7f3a›`: the same for the same thing, however its digits are set apart or its letters are written."""
    digits = re.sub(r"\D", "", secret)
    phone = re.fullmatch(r"[+\d ().-]+", secret) and len(digits) >= _FEWEST
    same = digits.removeprefix("00") if phone else secret.casefold()
    return f"‹{hashlib.sha256(same.encode('utf-8', 'surrogatepass')).hexdigest()[:4]}›"


def _whole(found: re.Match[str]) -> str:
    return tag(found[0])


def _named(found: re.Match[str]) -> str:
    return found[1] + found[2] + tag(found[3])


def _same_width(found: re.Match[str]) -> str:
    return tag(found[0]).ljust(len(found[0]))


def _address(found: re.Match[str]) -> str:
    return tag(found[0]) if _outside(found[0]) else found[0]


def _outside(text: str) -> bool:
    """Whether it is an address that is somebody's: not this machine's own, nor none at all."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified) and (address.version == 4 or any(map(str.isdigit, text)))


def _phone(found: re.Match[str]) -> str:
    text = found[0]
    digits = re.sub(r"\D", "", text)
    if not _FEWEST <= len(digits) <= 15 and not text.startswith("+"):
        return text
    if text.isdigit() and _moment(text):
        return text
    groups = re.split(r"[ .()/-]+", text.strip("()"))
    if not text.startswith(("+", "(", "0")) and "." in text and len(groups) < 3:
        return text
    return tag(text)


def _moment(digits: str) -> bool:
    """Whether it is a time: milliseconds since 1970 of our days, or a day and its time without separators."""
    if len(digits) == 13:
        return 1_400_000_000_000 <= int(digits) < 2_000_000_000_000
    return (
        len(digits) in (12, 14)
        and re.fullmatch(r"20[0-4]\d[01]\d[0-3]\d[0-2]\d[0-5]\d(?:[0-5]\d)?", digits) is not None
    )


def _between(text: str, kept: re.Pattern[str], change: Callable[[str], str]) -> str:
    """`change` applied to what lies between the stretches that are kept."""
    parts, end = [], 0
    for found in kept.finditer(text):
        parts += [change(text[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*parts, change(text[end:])])
