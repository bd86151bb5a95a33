"""Credentials that stand after their names, and what all kinds of credentials share: `DB_PASSWORD=…`, `authKey: …`."""

from __future__ import annotations

import re

from .kinds import TextKind

HIDDEN = "***"

# "$CRON_SECRET", "${USER}:${PASSWORD}": what literal commands have in a credential's place.
_VARIABLES = re.compile(r"(?:\$\{?[A-Za-z_][A-Za-z0-9_]*\}?[:@/.]?)+")
_HARMLESS = re.compile(
    r"(?i)null|none|undefined|nil|true|false|\*+|<[\w -]*>|\[redacted\]|\.\.\.|…|yes|no|ok|required|missing|invalid"
    r"|wrong|unset|empty|expired|denied|failed|disabled|enabled"
)
_TAG = re.compile("‹[0-9a-f]{4}›")
# A name whose last part says that a credential follows: PGPASSWORD, DB_PASSWORD, refreshToken, client-secret.
NAME = (
    r"(?=[a-cejlmpst])(?:p(?:assw(?:or)?d|assphrase|wd)|secret|token|credentials?|jwt"
    r"|(?:api|auth|access|admin|private|secret|signing|encryption|master|license|account|storage|shared)[ _-]?key"
    r"|client-key-data|tls\.key|(?:\bsid|session[_-]?id|sessid)(?![\"']?\s*[:=]\s*[\"']?\d+(?![\w-])))"
    r"(?:[_-]?(?:base64|b64|base|hash|value|\d))?"
)
# Three figures are a status or a signal.
_QUERY_NAME = (
    r"(?:(?<=[?&;])(?:key|sig|signature|code|auth|pass|hash)|(?<![\w-])(?:sig|signature|hmac))(?!=\d{1,3}(?!\w))"
)
# What also stands in sentences and figures: SMTP_PASS, dbPass, REDIS_AUTH, ADMIN_PW.
_SHORT_NAME = r"(?:(?<![a-z])(?:pass|pw|auth)|(?-i:(?<=[a-z])(?:Pass|Pw|Auth)))"
# A word that nobody would say: letters and figures, and large letters among small ones or a sign.
STRANGE = r"(?=[^\s'\"<>]*[a-z])(?=[^\s'\"<>]*[A-Z!@#$%^*+])(?=[^\s'\"<>]*\d)[^\s'\"<>,;]{8,}"
# Between quotes that are escaped, as JSON within JSON has them, or that are not.
_QUOTED = (
    r"(?:(?P<open>\\+[\"'])(?P<inner>(?:(?!(?P=open))[^\n]){1,4000})(?P=open)?"
    r"|(?P<quote>[\"'])(?P<body>(?:(?!(?P=quote))[^\\]|\\[\s\S]){1,4000})(?P=quote)?)"
)
_WORD = r"([^\s&'\"\\;,)}\]]+)"


# The beginnings of credentials' names: the words of which one stands in every text that the names' kinds can find.
_NAMES = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "cred",
    "jwt",
    "sid=",
    "sid:",
    'sid"',
    "sessionid",
    "session_id",
    "session-id",
    "sessid",
)


_SECRET_NAME = re.compile(rf"(?i)[\w.-]*?{NAME}|authorization|proxy-authorization|(?:set-)?cookie|bearer")


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a credential, whatever its value looks like."""
    return _SECRET_NAME.fullmatch(name[-80:]) is not None


def spared(value: str) -> bool:
    """Whether what stands there is no credential: a variable, a placeholder, or hidden already."""
    return bool(_VARIABLES.fullmatch(value) or _HARMLESS.fullmatch(value) or _TAG.fullmatch(value))


def second(found: re.Match[str]) -> str:
    return found[0] if spared(found[2]) else found[1] + HIDDEN


def _between_quotes(found: re.Match[str]) -> str:
    """The value between quotes, which stay as they are."""
    quote, body = (found["open"], found["inner"]) if found["open"] else (found["quote"], found["body"])
    if spared(body):
        return found[0]
    return found[1] + quote + HIDDEN + (quote if found[0].endswith(quote) else "")


def _colon(found: re.Match[str]) -> str:
    """`name: value` without quotes may be a sentence: the value must look like one that nobody would say."""
    value = found[2]
    strange = len(value) >= 6 and re.search(r"[0-9!@#$%^*+/=]", value)
    return second(found) if strange or _alone(found) else found[0]


def _named_short(found: re.Match[str]) -> str:
    """After a short name figures alone, or a word that could be said, are no credential."""
    value = found[3]
    strange = len(value) >= 6 and re.search(r"[0-9!@#$%^*+/=]", value) and re.search(r"[^\W\d]", value)
    told = strange or (found[1].rstrip().endswith("=") and len(value) >= 6 and not value.isdigit())
    return found[1] + found[2] + HIDDEN if told and not spared(value) else found[0]


def _alone(found: re.Match[str]) -> bool:
    """Whether name and value are a whole line, as in YAML."""
    before, after = found.string[: found.start()].rpartition("\n")[2], found.string[found.end() :].partition("\n")[0]
    return re.fullmatch(r"[\s{-]*[\w.-]*", before) is not None and not after.strip(" ,\t}")


KEY = "s3cr3tValue9"
NAMED_VALUES: tuple[TextKind, ...] = (
    TextKind(
        name="named value in quotes",
        hints=_NAMES,
        pattern=re.compile(rf"(?i)({NAME}\\*['\"]?\s*(?:=>|[:=])\s*){_QUOTED}"),
        hide=_between_quotes,
        examples=(
            (f'{{"refreshToken": "{KEY}", "a": 1}}', KEY),
            (f'{{"pwd":"{KEY}"}}', KEY),
            (f"authKey: '{KEY}'", KEY),
            (f"password='two {KEY} words'", KEY),
            ("DB_PASSWORD=\"correct horse battery\" next", "horse"),
            (f'{{\\"clientSecret\\":\\"{KEY}\\"}}', KEY),
            ('"password":"a\\"b tail"', "tail"),
        ),
        kept=('"token": "$TOKEN"', '{"secretName":"nexnum-secrets"}', '"tokens":"12"', '"password": null'),
    ),
    TextKind(
        name="named value after an equals sign",
        hints=(*_NAMES, "sig=", "signature=", "hmac=", "?code=", "&code=", "auth=", "hash="),
        pattern=re.compile(rf"(?i)((?:(?!pwd=/){NAME}|{_QUERY_NAME})\s?=>?\s?){_WORD}"),
        hide=second,
        examples=(
            (f"GET https://x.example/api?action=getNumber&api_key={KEY}&service=wa", KEY),
            (f"https://x.example/api?key={KEY}", KEY),
            (f"PGPASSWORD={KEY} psql", KEY),
            (f"DB_PASSWORD={KEY}", KEY),
            (f"CRON_SECRET={KEY}", KEY),
            (f"MYSQL_PWD={KEY}", KEY),
            (f"token={KEY};", KEY),
            (f"host=db password={KEY} user=x", KEY),
            (f"SECRET_KEY_BASE={KEY}", KEY),
            (f"PHPSESSID={KEY}", KEY),
            (f"password => {KEY}", KEY),
            (f"helm upgrade --set-string auth.adminKey={KEY}", KEY),
        ),
        kept=(
            "PWD=/home/node/app", "sig=9", "?code=404", "password=missing",
            "idempotency_key=abc", "monkey=1", "max_tokens=100", "token_type=bearer", "PGPASSWORD=$PGPASSWORD psql",
            "PASSWORD_FILE=/run/secrets/db", "lock_key=lock:purchase:u1",
        ),
    ),
    TextKind(
        name="named value after a colon",
        hints=_NAMES,
        pattern=re.compile(rf"(?i)({NAME}\s?:(?!:)\s*){_WORD}"),
        hide=_colon,
        examples=(
            (f"password: {KEY}", KEY), (f"apiKey: {KEY},", KEY), (f"password:{KEY}", KEY),
            (f"api key: {KEY}", KEY), (f"client-key-data: {KEY}", KEY), (f"tls.key: {KEY}", KEY),
            (f"sessionId: {KEY}", KEY),
        ),
        kept=(
            "password: required", "token::text", "session_id: 27081",
            "FATAL: password authentication failed", "invalid token: unexpected end of input",
            "Secret: not found", "api_key: missing in the request",
        ),
    ),
    TextKind(
        name="value after a short name",
        hints=("pass", "pw", "auth"),
        pattern=re.compile(rf"(?i)({_SHORT_NAME}\\*['\"]?\s?(?:=>|=|:(?!:))\s?)(\\*['\"]?)([^\s'\"\\;,&)}}\]]+)"),
        hide=_named_short,
        examples=(
            (f"SMTP_PASS={KEY}", KEY), (f'dbPass: "{KEY}"', KEY), (f"REDISCLI_AUTH={KEY} redis-cli", KEY),
            (f"ADMIN_PW={KEY}", KEY), (f"adminPw: {KEY}", KEY), (f"user=admin pass={KEY}", KEY),
            (f"auth: {KEY}", KEY), ("DB_PASS=hunterhunter", "hunter"),
        ),
        kept=(
            "pass: 41, fail: 2", "pass=3", "auth: ok", "auth=none", "bypass=a1b2c3d4", "auth: disabled",
            "compass: north12", "DB_PASS=$DB_PASS",
        ),
    ),
)  # fmt: skip
