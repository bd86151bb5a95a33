"""Verification codes in messages, in many languages."""

from __future__ import annotations

import re

from .kinds import TextKind, tag


def _second(found: re.Match[str]) -> str:
    return found[1] + tag(found[2])


def _last(found: re.Match[str]) -> str:
    """The last group, which ends the match, as a tag."""
    last = found[found.lastindex or 0]
    return found[0][: len(found[0]) - len(last)] + tag(last)


def _code(found: re.Match[str]) -> str:
    """A code in a sentence: the group `code`, wherever it stands."""
    at = found.start("code") - found.start()
    return found[0][:at] + tag(found["code"]) + found[0][at + len(found["code"]) :]


_DIGITS = r"(?P<code>\d{4,8}|\d{3}[ -]\d{3}|\d{2}-\d{2}-\d{2})(?![\w.]*\d)"
_LINK = r"[^\d\n]{0,24}?(?<![A-Za-z0-9.])"  # from the word for a code to the code
# A word for "code" that only messages to customers have; in a log line "code" alone is an error's.
_MESSAGES = (
    r"(?:your|verification|verify|security|log-?in|sign-?in|confirmation|one[- ]time|authentication|activation|sms"
    r"|whats ?app|telegram|google|viber|signal|steam|facebook|instagram|tiktok|discord|uber|2fa|two-factor)"
    r"[\w '-]{0,30}?\b(?:code|pin|otp|password|passcode)\b"
    r"|(?<![\w-])(?:otp|passcode|tan)\b"
    r"|код\w*|пароль|(?:ihr|dein)\w*\s[\w-]*?code\b|(?:votre|ton) code\b|c[oó]digo\b|codice\b"
    r"|kod(?:[ue]|unuz)?\b|कोड|kode\b|mã\b"
    r"|验证码|驗證碼|校验码|認証コード|確認コード|인증번호|رمز|کد"
)

CODES: tuple[TextKind, ...] = (
    TextKind(
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
    TextKind(
        name="code before the word for it",
        pattern=re.compile(
            rf"(?i)(?<![\w.-]){_DIGITS}(?= (?:is|as) (?:your|the|a) [\w ]{{0,30}}?(?:code|otp|pin|password|passcode)\b"
            r"| [-—–] (?:ваш|код|your|verification)| - ваш| is de | ist (?:ihr|dein)| est votre| es tu)"
        ),
        hide=_code,
        folded=True,
        examples=(("482913 is your verification code", "482913"), ("4829 is the OTP", "4829")),
        kept=("4829 is the limit", "482913 rows are locked", "4829 - rows"),
    ),
    TextKind(
        name="code of letters and figures",
        pattern=re.compile(
            r"((?i:\b(?:verification|confirmation|security|login|your|one-time) (?:code|password|otp))"
            r"(?i: is)?:? ['\"]?)"
            r"((?=[A-Z]*\d)[A-Z0-9]{5,8})(?![\w-])"
        ),
        hide=_second,
        examples=(("verification code: AB12CD", "AB12CD"), ("Your code is X7K9P2", "X7K9P2")),
        kept=("your code: E1", "error code E40001"),
    ),
    TextKind(
        name="code that a number received",
        pattern=re.compile(
            r"(?i)((?<![\w-])(?:sms|code|message)[ _]?(?:received|arrived|delivered)[: =]+['\"]?)(\d{4,8})(?![\w.]*\d)"
            r"|(?<![\w-])(code[ =:]\s?)(\d{4,8})(?= (?:received|arrived|delivered))"
        ),
        hide=_last,
        folded=True,
        examples=(("sms received: 482913", "482913"), ("code 482913 received for it", "482913")),
        kept=("messages received: 4829", "code 482913 is wrong", "sms received: 12 in 5 min"),
    ),
    TextKind(
        name="code with a sender's prefix",
        pattern=re.compile(r"(?<![\w-])((?:G|FB|IG|VK|WA|TG|MS)-)(\d{4,8})(?![\w-])"),
        hide=_second,
        folded=True,
        examples=(("G-482913 is for you", "482913"), ("FB-48291", "48291")),
        kept=("SEV-1", "INC-20261123-1342", "UTF-8"),
    ),
    TextKind(
        name="code to enter",
        pattern=re.compile(rf"(?i)\b(?:use|enter|type|send|reply)(?: code)? {_DIGITS}(?= (?:to|as|on|in|for)\b)"),
        hide=_code,
        folded=True,
        examples=(("Use 482913 to log in", "482913"), ("enter code 4829 on the page", "4829")),
        kept=("use port 5432", "enter 4829"),
    ),
    TextKind(
        # Five digits in the classes of SQLSTATE are an error of the database; three are a status.
        name="code in JSON",
        hints=("code",),
        pattern=re.compile(
            r"(?i)((?<!\w)\\?[\"']code\\?[\"']\s*:\s*\\?[\"'])(?!(?:0[0-9]|2[0-8]|3[489]|4[0-24]|5[3-8])\d{3}(?!\d))"
            r"(\d{4,8}|\d{3}[ -]\d{3})(?=\\?[\"'])"
            r"|((?<!\w)\\?[\"']code\\?[\"']\s*:\s*)(\d{6})(?![\d.])"
        ),
        hide=_last,
        folded=True,
        examples=(
            ('{"code":"482913"}', "482913"),
            ('{"id":7,"code": "4829","x":1}', "4829"),
            ('{\\"code\\":\\"482-913\\"}', "482-913"),
            ('{"code":482913}', "482913"),
        ),
        kept=(
            '"code":"23505"',
            '{"code":"40001"}',
            '"code":429',
            '"code":1006',
            '"code":"P2002"',
            '"errorCode":"482913"',
        ),
    ),
    TextKind(
        name="PIN",
        hints=("pin",),
        pattern=re.compile(
            r"(?i)((?<![\w.-])pin(?:[ _-]?(?:code|number))?(?:\\?[\"']?\s?[:=]\s?\\?[\"']?| (?:is|was):? ['\"]?)"
            r"|(?-i:(?<![\w.-])PIN ))(\d{4,8})(?![\w.]*\d|:\d)"
        ),
        hide=_second,
        folded=True,
        examples=(
            ("PIN: 4829", "4829"),
            ("pin=482913", "482913"),
            ('{"pin":"4829"}', "4829"),
            ("your pin is 4829", "4829"),
            ("PIN 4829", "4829"),
        ),
        kept=("pin: 12", "pinned: 4829", "pin 4829 rows", "spin: 4829", "GPIO pin 4"),
    ),
)
