"""Customer data in logs, keys, addresses, SQL and messages, one kind after the other."""

from __future__ import annotations

import ipaddress
import re

from .codes import CODES
from .contacts import CONTACTS
from .kinds import FEWEST, TextKind, tag


def verb(query: str) -> str:
    """The query's first word: `UPDATE …`."""
    found = _VERB.match(query)
    return f"{found[1].upper()} …" if found else "…" if query.strip() else ""


def _whole(found: re.Match[str]) -> str:
    return tag(found[0])


def _second(found: re.Match[str]) -> str:
    return found[1] + tag(found[2])


def _last(found: re.Match[str]) -> str:
    """The last group, which ends the match, as a tag."""
    last = found[found.lastindex or 0]
    return found[0][: len(found[0]) - len(last)] + tag(last)


# --- SQL ----------------------------------------------------------------------------------------------------------

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
# Columns whose values are no customer's, so that an operator may read which row was meant.
_PLAIN_COLUMNS = frozenset(
    {"name", "provider", "provider_name", "slug", "status", "state", "is_active", "type", "action"}
)


def _row(found: re.Match[str]) -> str:
    columns = {column.strip(' "') for column in found[2].split(",")}
    shown = columns <= _PLAIN_COLUMNS or re.fullmatch("‹[0-9a-f]{4}›", found[4])
    return found[0] if shown else f"{found[1]}{found[2]}{found[3]}{tag(found[4])}"


STATEMENT = TextKind(
    name="SQL statement",
    pattern=re.compile(rf"(?s)(?:\b(?:{_SHAPES}|{_SMALL})|{_BEGUN}(?:{_SHAPES.lower()})).*"),
    hide=lambda found: verb(found[0]),
    examples=(
        ("STATEMENT:  SELECT * FROM users WHERE name = 'Anna'", "Anna"),
        ("prisma:query UPDATE \"wallets\" SET balance = 3 WHERE name = 'Anna'", "Anna"),
        ("insert into users (name) values ('Anna')", "Anna"),
    ),
    kept=("Select a provider from the list", "update the row, then set it"),
)

# --- network addresses and phone numbers --------------------------------------------------------------------------


def _address(found: re.Match[str]) -> str:
    return tag(found[0]) if _outside(found[0]) else found[0]


def _outside(text: str) -> bool:
    """Whether it is an address that is somebody's: not this machine's own, nor none at all."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified) and (address.version == 4 or any(map(str.isdigit, text)))


# Digits that are no phone number: incidents' ids, dates and times, figures with a point, amounts by thousands.
_NO_PHONE = (
    r"INC-\d{8}-\d{4}|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T _-][0-2]\d[:-]?[0-5]\d(?:[:-]?[0-5]\d(?:[.,]\d+)?)?)?"
    r"|(?<![\d.])\d+\.\d+(?![\d.])(?!\s*[-(]?\d{3})|(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d,])"
)
_PHONE = (
    r"(?<!\w)\+ ?\d(?:[ .()/-]{0,2}\d){6,14}(?!\d)|\+\d{7,}|%2[Bb]\d{7,15}(?!\w)"  # E.164, usual separators
    r"|(?<![\w+])(?<!\d\.)(?:0\d{8,10}|\d{10,15})(?!\w)"  # as providers write it
    r"|(?<![\w+])(?<!\d[.,:/])(?:"
    r"00[1-9](?:[ .-]?\d){7,13}"
    r"|\(\d{1,5}\)[ -]?\d(?:[ .-]?\d){4,10}"
    r"|\d{1,5}(?:[ .-]\(?\d{1,5}\)?){1,5}(?:[ .-]\d{2,9})"
    r"|\d{1,5}[ -]\d{6,9}"
    r")(?!\w)(?!\.\d|:\d|[-/]\d)"
)


def _phone(found: re.Match[str]) -> str:
    text = found[0]
    if found["kept"]:
        return text
    digits = re.sub(r"\D", "", text)
    if not FEWEST <= len(digits) <= 15 and not text.startswith(("+", "%")):
        return text
    if text.isdigit() and _moment(text):
        return text
    groups = re.split(r"[ .()/-]+", text.strip("()"))
    if not text.startswith(("+", "(", "0", "%")) and "." in text and len(groups) < 3:
        return text
    return tag(re.sub("(?i)^%2b", "+", text))


def _moment(digits: str) -> bool:
    """Whether it is a time: milliseconds since 1970 of our days, or a day and its time without separators."""
    if len(digits) == 13:
        return 1_400_000_000_000 <= int(digits) < 2_000_000_000_000
    return (
        len(digits) in (12, 14)
        and re.fullmatch(r"20[0-4]\d[01]\d[0-3]\d[0-2]\d[0-5]\d(?:[0-5]\d)?", digits) is not None
    )


# --- what has a check digit ---------------------------------------------------------------------------------------


def _card(found: re.Match[str]) -> str:
    digits = [int(digit) for digit in re.sub(r"\D", "", found[0])]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return tag(found[0]) if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else found[0]


def _iban(found: re.Match[str]) -> str:
    compact = found[0].replace(" ", "")
    number = "".join(str(int(character, 36)) for character in compact[4:] + compact[:4])
    return tag(found[0]) if 15 <= len(compact) <= 34 and int(number) % 97 == 1 else found[0]


KINDS: tuple[TextKind, ...] = (
    TextKind(
        name="row in a database's message",
        pattern=re.compile(r"(\bKey \()([^()]{1,200})(\)=\()((?:[^()\n]|\([^()\n]*\)){1,2000})(?=\))"),
        hide=_row,
        examples=(
            ("Key (email)=(Anna Smith) already exists.", "Anna"),
            ('Key (user_id, "service")=(u77, wa) already exists.', "u77"),
        ),
        kept=("Key (name)=(smsbower) already exists.",),
    ),
    TextKind(
        name="failing row",
        pattern=re.compile(
            r"(?i)(\bFailing row contains )(\((?!‹|…)(?:[^\n]*\)(?=\.?[\s\"'}]*(?:\n|$))"
            r"|[\s\S]{1,4000}?\)(?=\.?\n|\.?$)|[^\n]*))"
        ),
        hide=lambda found: found[1] + f"({tag(found[2])})",
        examples=(
            ("Failing row contains (77, Anna, anna, -3.00).", "Anna"),
            ("Failing row contains (77, Anna\nSmith, x).\nnext", "Smith"),
        ),
    ),
    TextKind(
        name="parameter of a statement",
        pattern=re.compile(r"(\$\d+ = )('(?:[^']|''){1,4000}'?)"),
        hide=_second,
        examples=(("parameters: $1 = 'Anna', $2 = 'it''s'", "Anna"),),
        kept=("parameters: $1 = NULL", "costs $5 = 5"),
    ),
    TextKind(
        name="parameters as Prisma has them",
        pattern=re.compile(r"(?i)(\bparams:\s*)(\[(?!‹)[^\n]*\])"),
        hide=_second,
        examples=(('Params: ["Anna",3]', "Anna"),),
        kept=("params: none",),
    ),
    TextKind(
        name="value that a database refused",
        pattern=re.compile(r"(?i)(\binvalid input (?:syntax|value) for [\w ]{1,60}: \\?\")((?!‹)[^\"\n]{1,400})"),
        hide=_second,
        examples=(('invalid input syntax for type uuid: "anna"', "anna"),),
        kept=("invalid input syntax for type json",),
    ),
    TextKind(
        name="answer of a provider with a message",
        pattern=re.compile(r"(\b(?:STATUS_OK|STATUS_WAIT_RETRY|FULL_SMS):\s*)((?!‹)[^\s\"'][^\n\"]{0,400})"),
        hide=_second,
        examples=(("STATUS_OK:482913", "482913"), ("FULL_SMS:Your Anna code", "Anna")),
        kept=("STATUS_WAIT_CODE", "STATUS_CANCEL"),
    ),
    TextKind(
        name="text of a message",
        pattern=re.compile(
            r"(?i)((?<![a-z])(?:sms|otp)[_-]?(?:text|message|body|content)\\?[\"']?\s*[:=]\s*\\?([\"']))"
            r"((?!‹)(?:(?!\2)[^\n\\]){1,4000})"
        ),
        hide=_last,
        examples=(('{"smsText":"Hello Anna, see you"}', "Anna"), ("sms_body='for Anna'", "Anna")),
        kept=('smsText: ""',),
    ),
    TextKind(
        name="name of a person",
        pattern=re.compile(
            r"(?i)((?<![a-z])(?:full|first|last|middle|family|given|card ?holder)[_-]?names?"
            r"\\?[\"']?\s*[:=]\s*\\?[\"']?)"
            r"((?!‹|null\b|undefined\b)[^\W\d_][^\n\"'\\,;:={}]{0,80})"
        ),
        hide=_second,
        examples=(('{"firstName":"Anna","x":1}', "Anna"), ("full_name: Anna Smith", "Smith")),
        kept=("firstName: null", "fullname", "name: smsbower"),
    ),
    TextKind(
        name="uuid",
        pattern=re.compile(
            r"(?i)(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])"
        ),
        hide=_whole,
        examples=(("user 3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f waits", "6a35"),),
    ),
    TextKind(
        # Keys whose last part is a user's, with the user's id as their second group; patterns and placeholders stay.
        name="key of a user",
        pattern=re.compile(
            r"(?i)(\b(?:lock:purchase:(?:atomic:)?|lock:(?:number|candidate|user|wallet):|poll:lock:|idem:|auth:|session:"
            r"|spend:|nexnum:orders:|ratelimit:(?!provider)[\w:@-]{0,60}?:))"
            r"(?![*{<‹…]|atomic:)([^\s*{}'\"‹›,;)]+)(?!\*)"
        ),
        hide=_second,
        examples=(
            ("lock:purchase:atomic:user-12", "user-12"),
            ("lock:number:cust77-wa-united kingdom", "cust77"),
            ("poll:lock:number77", "number77"),
        ),
        kept=("lock:purchase:*", "lock:purchase:atomic:*", "lock:purchase:atomic:{userId}", "ratelimit:provider:x"),
    ),
    TextKind(
        name="field of a customer",
        pattern=re.compile(
            r"(?i)((?:(?<![a-z])(?:user|customer|account|owner|wallet|telegram|chat)[_-]?ids?"
            r"|(?<![a-z])(?:phone|msisdn|mobile|telephone|recipient)(?:[_-]?(?:number|no))?"
            r"|(?<![a-z])(?:sms|otp|verification)[_-]?(?:code|text|pin)|(?<![a-z])otp|(?<![a-z])e-?mail(?:[_-]?address)?"
            r"|(?<![a-z])ip[_-]?address|(?<![a-z])client[_-]?ip|(?<![a-z])x-forwarded-for)"
            r"(?:\\?[\"']?\)?\s*(?:=>|[:=]|%3[DdAa])\s*\\?[\"'(]?\s*))"
            r"(?![‹*{$<]|null\b|none\b|undefined\b|true\b|false\b)(\+?\d[\d ().-]{0,40}\d|[^\s\"',;&(){}\[\]\\]+)"
        ),
        hide=_second,
        examples=(
            ('{"phone":"6123456"}', "6123456"),
            ("smsCode: 482913", "482913"),
            ("userId=cust77&x=1", "cust77"),
            ("user_id: cust77", "cust77"),
            ("userId%3Dcust77", "cust77"),
        ),
        kept=("user id: null", "user waits"),
    ),
    TextKind(
        name="id of a user in an address",
        pattern=re.compile(
            r"(?i)(/(?:users?|customers?|accounts?|members?|clients?|wallets?|profiles?)/)"
            r"((?=[\w-]*\d)[\w-]{1,64})(?![\w-])"
        ),
        hide=_second,
        examples=(("GET /api/admin/users/10482/wallet", "10482"), ("PATCH /customers/c77", "c77")),
        kept=("GET /api/users/me", "/api/admin/providers/7", "/users/list"),
    ),
    TextKind(
        name="number of a user",
        pattern=re.compile(r"(?i)(?<![\w-])((?:uid|user|customer|cust|tg|chat)(?:_?no)?=)(\d{2,})\b"),
        hide=_second,
        examples=(("purchase uid=10482 failed", "10482"), ("customer=77", "77")),
        kept=("uid=0", "user=nexnum_app", "host=db user=nexnum"),
    ),
    TextKind(
        name="number of a user in a sentence",
        pattern=re.compile(
            r"(?i)(?<![\w-])(?<!per )(?<!each )(?<!every )"
            r"((?:user|customer|buyer|client|uid|(?:wallet|telegram|chat|user) ?id)"
            r"(?: id)?(?: ?[:#]+ ?| )|tg://user\?id=)(\d{3,})(?![\w.]*[\w%])(?! (?:users?|customers?|requests?|ms|s)\b)"
        ),
        hide=_second,
        examples=(
            ("user 10482 bought", "10482"),
            ("user #10482", "10482"),
            ("uid: 10482", "10482"),
            ("customer 10482 was refused", "10482"),
            ("telegram id 123456", "123456"),
            ("walletId 9981", "9981"),
        ),
        kept=("per user 100 requests", "users 117 distinct", "client 100 ms", "customers: 117", "user 1.5"),
    ),
    *CONTACTS,
    TextKind(
        name="long token",
        pattern=re.compile(
            r"(?<!sha256:)\b[0-9a-fA-F]{32,}\b|\bc(?=[a-z]*\d[a-z]*\d)[a-z0-9]{24}\b|\bbc1[a-z0-9]{25,60}\b|\b(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])[A-Za-z0-9]{24,}\b"
        ),
        hide=_whole,
        examples=(
            ("key 9f86d081884c7d659a2feaa0c55ad015", "9f86d081"),
            ("Xk3vPq8ZrT5wLm2NcB7dFh9J", "Xk3vPq8Z"),
            ("for user clx9k2j3h0001qw08abcd1234", "clx9k2j3h"),
        ),
        kept=("ghcr.io/nexnum/nexnum-app@sha256:9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015",),
    ),
    TextKind(
        name="IPv6 address",
        pattern=re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?(?![\w:])"),
        hide=_address,
        examples=(("from 2001:db8::8a2e:370:7334", "8a2e"),),
        kept=("14:07:31", "::1", "00:04:12"),
    ),
    TextKind(
        name="IPv4 address",
        pattern=re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"),
        hide=_address,
        examples=(("client 203.0.113.77:51234 refused", "203.0.113.77"),),
        kept=("127.0.0.1:54321", "version 1.22.333"),
    ),
    TextKind(
        name="bank account",
        pattern=re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])"),
        hide=_iban,
        folded=True,
        examples=(("pay to NL91 ABNA 0417 1643 00 now", "0417"), ("DE89370400440532013000", "37040044")),
        kept=("NL91 ABNA 0417 1643 01",),
    ),
    TextKind(
        name="payment card",
        pattern=re.compile(r"(?<![\w.-])[2-6]\d(?:[ -]?\d){12,17}(?![\w.]*\d)"),
        hide=_card,
        folded=True,
        examples=(("card 4111 1111 1111 1111 declined", "1111"), ("5555-5555-5555-4444", "4444")),
        kept=("4111 1111 1111 11121111 1",),
    ),
    *CODES,
    TextKind(
        name="phone number",
        pattern=re.compile(rf"(?P<kept>{_NO_PHONE})|(?:{_PHONE})"),
        hide=_phone,
        folded=True,
        examples=(
            ("call +31612345678 now", "+31612345678"),
            ("+1 (555) 123-4567", "4567"),
            ("0031612345678", "31612345678"),
            ("555.123.4567", "4567"),
            ("06-12345678", "12345678"),
            ("+31\u00a06\u00a012\u00a034\u00a056\u00a078", "34"),
            ("+31\u202f6\u202f1234\u202f5678", "1234"),
            ("+31.6.12.34.56.78", "34.56"),
            ("+31‑6‑1234‑5678", "1234"),
            ("+٣١٦١٢٣٤٥٦٧٨", "٦١٢٣"),
            ("＋３１６１２３４５６７８", "１２３４"),
            ("to=%2B31612345678&x=1", "31612345678"),
        ),
        kept=("1769177251123", "20260123140731", "2026-01-23 14:07:31", "12345678.25", "1,234,567,890 bytes"),
    ),
    TextKind(
        name="cut in the middle",
        pattern=re.compile(
            r"(?:(?<![\w.])\+?\d[\d ().-]{3,40}|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{0,28}|\beyJ[\w.-]{0,2000}"
            r"|[\w.+%-]{1,64}@[\w.-]{0,64})(?=…|\.\.\.$)"
        ),
        hide=_whole,
        examples=(("cut here +3161234…", "3161234"), ("cut here anna.smith@ma…", "anna")),
    ),
)

# What can't be anything else, for lines that also hold our own figures.
_LOUD_PHONE = TextKind(
    name="phone number in the international form",
    pattern=re.compile(r"(?<![\w+])\+[1-9](?:[ ()-]{0,2}\d){8,14}(?!\w)"),
    hide=_whole,
    examples=(("+31 6 12345678", "12345678"),),
)
_JWT = TextKind(
    name="JSON web token",
    pattern=re.compile(r"\beyJ[\w-]{5,}\.[\w-]{3,}(?:\.[\w-]*)?"),
    hide=_whole,
    examples=(("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl", "eyJzdWIiOiI0MiJ9"),),
)
_BY_NAME = {kind.name: kind for kind in KINDS}
FIGURES = (_JWT, _BY_NAME["uuid"], _BY_NAME["e-mail address"], _LOUD_PHONE, _BY_NAME["IPv4 address"])
