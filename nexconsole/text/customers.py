"""Customer data as it stands in logs, keys, addresses, SQL and messages: one kind after the other."""

from __future__ import annotations

import hashlib
import ipaddress
import re

from .kinds import Kind

_FEWEST = 8  # digits of a phone number without its country's code


def tag(secret: str) -> str:
    """`‹7f3a›`: the same for the same thing, however its digits are set apart or its letters are written."""
    digits = re.sub(r"\D", "", secret)
    phone = re.fullmatch(r"[+\d ().-]+", secret) and len(digits) >= _FEWEST
    same = digits.removeprefix("00") if phone else secret.casefold()
    return f"‹{hashlib.sha256(same.encode('utf-8', 'surrogatepass')).hexdigest()[:4]}›"


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
    return found[0][: len(found[0]) - len(found[found.lastindex])] + tag(found[found.lastindex])


def _code(found: re.Match[str]) -> str:
    """A code in a sentence: the group `code`, wherever it stands."""
    at = found.start("code") - found.start()
    return found[0][:at] + tag(found["code"]) + found[0][at + len(found["code"]) :]


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


STATEMENT = Kind(
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
    if not _FEWEST <= len(digits) <= 15 and not text.startswith(("+", "%")):
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


# --- codes in messages --------------------------------------------------------------------------------------------

_DIGITS = r"(?P<code>\d{4,8}|\d{3}[ -]\d{3}|\d{2}-\d{2}-\d{2})(?![\w.]*\d)"
_LINK = r"[^\d\n]{0,24}?(?<![A-Za-z0-9.])"  # from the word for a code to the code
# A word for "code" that only messages to customers have; in a log line "code" alone is an error's.
_MESSAGES = (
    r"(?:your|verification|verify|security|log-?in|sign-?in|confirmation|one[- ]time|authentication|activation|sms"
    r"|whats ?app|telegram|google|viber|signal|steam|facebook|instagram|tiktok|discord|uber|2fa|two-factor)"
    r"[\w '-]{0,30}?\b(?:code|pin|otp|password|passcode)\b"
    r"|(?<![\w-])(?:otp|passcode|tan)\b"
    r"|код\w*|пароль|(?:ihr|dein)\w*\s[\w-]*?code\b|(?:votre|ton) code\b|c[oó]digo\b|codice\b|kod[ue]?\b|kode\b|mã\b"
    r"|验证码|驗證碼|校验码|認証コード|確認コード|인증번호|رمز|کد"
)

KINDS: tuple[Kind, ...] = (
    Kind(
        name="row in a database's message",
        pattern=re.compile(r"(\bKey \()([^()]{1,200})(\)=\()((?:[^()\n]|\([^()\n]*\)){1,2000})(?=\))"),
        hide=_row,
        examples=(
            ("Key (email)=(Anna Smith) already exists.", "Anna"),
            ('Key (user_id, "service")=(u77, wa) already exists.', "u77"),
        ),
        kept=("Key (name)=(smsbower) already exists.",),
    ),
    Kind(
        name="failing row",
        pattern=re.compile(r"(?i)(\bFailing row contains )(\((?!‹|…)[^\n]*\)?)"),
        hide=lambda found: found[1] + f"({tag(found[2])})",
        examples=(("Failing row contains (77, Anna, anna, -3.00).", "Anna"),),
    ),
    Kind(
        name="uuid",
        pattern=re.compile(
            r"(?i)(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])"
        ),
        hide=_whole,
        examples=(("user 3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f waits", "6a35"),),
    ),
    Kind(
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
    Kind(
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
    Kind(
        name="id of a user in an address",
        pattern=re.compile(
            r"(?i)(/(?:users?|customers?|accounts?|members?|clients?|wallets?|profiles?)/)"
            r"((?=[\w-]*\d)[\w-]{1,64})(?![\w-])"
        ),
        hide=_second,
        examples=(("GET /api/admin/users/10482/wallet", "10482"), ("PATCH /customers/c77", "c77")),
        kept=("GET /api/users/me", "/api/admin/providers/7", "/users/list"),
    ),
    Kind(
        name="number of a user",
        pattern=re.compile(r"(?i)(?<![\w-])((?:uid|user|customer|cust|tg|chat)(?:_?no)?=)(\d{2,})\b"),
        hide=_second,
        examples=(("purchase uid=10482 failed", "10482"), ("customer=77", "77")),
        kept=("uid=0", "user=nexnum_app", "host=db user=nexnum"),
    ),
    Kind(
        name="e-mail address",
        pattern=re.compile(
            r"[\w.+%'-]{0,64}[\w+%-]@[\w-]{1,64}(?:\.[\w-]{1,64}){0,9}\.[^\W\d_]{2,24}"
            r"|(?<![\w%])[\w.+-]{1,64}%40[\w-]{1,64}(?:\.[\w-]{1,64}){0,9}"
        ),
        hide=_whole,
        examples=(
            ("anna.smith+shop@mail.example.com wrote", "anna.smith"),
            ("müller@bücher.example", "müller"),
            ("?to=anna.smith%40mail.example&x=1", "anna.smith"),
            ("login=anna%40localhost", "anna"),
        ),
        kept=("root@vm", "@sha256"),
    ),
    Kind(
        name="long token",
        pattern=re.compile(
            r"(?<!sha256:)\b[0-9a-fA-F]{32,}\b|\b(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])[A-Za-z0-9]{24,}\b"
        ),
        hide=_whole,
        examples=(
            ("key 9f86d081884c7d659a2feaa0c55ad015", "9f86d081"),
            ("Xk3vPq8ZrT5wLm2NcB7dFh9J", "Xk3vPq8Z"),
        ),
        kept=("ghcr.io/nexnum/nexnum-app@sha256:9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015",),
    ),
    Kind(
        name="IPv6 address",
        pattern=re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?(?![\w:])"),
        hide=_address,
        examples=(("from 2001:db8::8a2e:370:7334", "8a2e"),),
        kept=("14:07:31", "::1", "00:04:12"),
    ),
    Kind(
        name="IPv4 address",
        pattern=re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"),
        hide=_address,
        examples=(("client 203.0.113.77:51234 refused", "203.0.113.77"),),
        kept=("127.0.0.1:54321", "version 1.22.333"),
    ),
    Kind(
        name="bank account",
        pattern=re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])"),
        hide=_iban,
        folded=True,
        examples=(("pay to NL91 ABNA 0417 1643 00 now", "0417"), ("DE89370400440532013000", "37040044")),
        kept=("NL91 ABNA 0417 1643 01",),
    ),
    Kind(
        name="payment card",
        pattern=re.compile(r"(?<![\w.-])[2-6]\d(?:[ -]?\d){12,17}(?![\w.]*\d)"),
        hide=_card,
        folded=True,
        examples=(("card 4111 1111 1111 1111 declined", "1111"), ("5555-5555-5555-4444", "4444")),
        kept=("4111 1111 1111 11121111 1",),
    ),
    Kind(
        name="code after the word for it",
        pattern=re.compile(rf"(?i)(?:{_MESSAGES}){_LINK}{_DIGITS}"),
        hide=_code,
        folded=True,
        examples=(
            ("Your code is 482913", "482913"),
            ("Your WhatsApp code: 482-913", "482-913"),
            ("OTP is 4829", "4829"),
            ("Telegram login code 48291. Do not share", "48291"),
            ("your one-time password is 48-29-13", "48-29"),
            ("Ваш код: 4829", "4829"),
            ("код подтверждения 482913", "482913"),
            ("Ihr TAN-Code lautet 482913", "482913"),
            ("votre code est 482913", "482913"),
            ("Tu código es 4829", "4829"),
            ("您的验证码是482913", "482913"),
            ("verification code ٤٨٢٩١٣", "٤٨٢٩١٣"),
        ),
        kept=("exit code 137", "status code 503", "error code: 40001", "code: '23505'", "HTTP code 4290"),
    ),
    Kind(
        name="code before the word for it",
        pattern=re.compile(
            rf"(?i)(?<![\w.-]){_DIGITS}(?= (?:is|as) (?:your|the|a) [\w ]{{0,30}}?(?:code|otp|pin|password|passcode)\b"
            r"| — ваш| - ваш| is de | ist (?:ihr|dein)| est votre| es tu)"
        ),
        hide=_code,
        folded=True,
        examples=(("482913 is your verification code", "482913"), ("4829 is the OTP", "4829")),
        kept=("4829 is the limit", "482913 rows are locked"),
    ),
    Kind(
        name="code with a sender's prefix",
        pattern=re.compile(r"(?<![\w-])((?:G|FB|IG|VK|WA|TG|MS)-)(\d{4,8})(?![\w-])"),
        hide=_second,
        folded=True,
        examples=(("G-482913 is for you", "482913"), ("FB-48291", "48291")),
        kept=("SEV-1", "INC-20261123-1342", "UTF-8"),
    ),
    Kind(
        name="code to enter",
        pattern=re.compile(rf"(?i)\b(?:use|enter|type|send|reply)(?: code)? {_DIGITS}(?= (?:to|as|on|in|for)\b)"),
        hide=_code,
        folded=True,
        examples=(("Use 482913 to log in", "482913"), ("enter code 4829 on the page", "4829")),
        kept=("use port 5432", "enter 4829"),
    ),
    Kind(
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
    Kind(
        name="cut in the middle",
        pattern=re.compile(
            r"(?:(?<![\w.])\+?\d[\d ().-]{3,40}|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{0,28}|\beyJ[\w.-]{0,2000}"
            r"|[\w.+%-]{1,64}@[\w.-]{0,64})(?=…|\.\.\.$)"
        ),
        hide=_whole,
        examples=(("cut here +3161234…", "3161234"), ("cut here anna.smith@ma…", "anna")),
    ),
)  # fmt: skip

# What can't be anything else, for lines that also hold our own figures.
_LOUD_PHONE = Kind(
    name="phone number in the international form",
    pattern=re.compile(r"(?<![\w+])\+[1-9](?:[ ()-]{0,2}\d){8,14}(?!\w)"),
    hide=_whole,
    examples=(("+31 6 12345678", "12345678"),),
)
_JWT = Kind(
    name="JSON web token",
    pattern=re.compile(r"\beyJ[\w-]{5,}\.[\w-]{3,}(?:\.[\w-]*)?"),
    hide=_whole,
    examples=(("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl", "eyJzdWIiOiI0MiJ9"),),
)
_BY_NAME = {kind.name: kind for kind in KINDS}
FIGURES = (_JWT, _BY_NAME["uuid"], _BY_NAME["e-mail address"], _LOUD_PHONE, _BY_NAME["IPv4 address"])
