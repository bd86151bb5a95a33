"""Replaces credentials in external text by `***` before it is shown, logged or recorded."""

from __future__ import annotations

import re

from .kinds import TextKind, hide_all

HIDDEN = "***"

# "$CRON_SECRET", "${USER}:${PASSWORD}": what literal commands have in a credential's place.
_VARIABLES = re.compile(r"(?:\$\{?[A-Za-z_][A-Za-z0-9_]*\}?[:@/.]?)+")
_HARMLESS = re.compile(
    r"(?i)null|none|undefined|nil|true|false|\*+|<[\w -]*>|\[redacted\]|\.\.\.|…|yes|no|ok|required|missing|invalid"
    r"|wrong|unset|empty|expired|denied|failed|disabled|enabled"
)
_TAG = re.compile("‹[0-9a-f]{4}›")
# A name whose last part says that a credential follows: PGPASSWORD, DB_PASSWORD, refreshToken, client-secret.
_NAME = (
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
_STRANGE = r"(?=[^\s'\"<>]*[a-z])(?=[^\s'\"<>]*[A-Z!@#$%^*+])(?=[^\s'\"<>]*\d)[^\s'\"<>,;]{8,}"
# Between quotes that are escaped, as JSON within JSON has them, or that are not.
_QUOTED = (
    r"(?:(?P<open>\\+[\"'])(?P<inner>(?:(?!(?P=open))[^\n]){1,4000})(?P=open)?"
    r"|(?P<quote>[\"'])(?P<body>(?:(?!(?P=quote))[^\\]|\\[\s\S]){1,4000})(?P=quote)?)"
)
_WORD = r"([^\s&'\"\\;,)}\]]+)"


def redact(text: str) -> str:
    """The same text with credentials replaced; a shell variable in a credential's place stays."""
    return hide_all(CREDENTIALS, text)


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


_SECRET_NAME = re.compile(rf"(?i)[\w.-]*?{_NAME}|authorization|proxy-authorization|(?:set-)?cookie|bearer")


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a credential, whatever its value looks like."""
    return _SECRET_NAME.fullmatch(name[-80:]) is not None


def _spared(value: str) -> bool:
    """Whether what stands there is no credential: a variable, a placeholder, or hidden already."""
    return bool(_VARIABLES.fullmatch(value) or _HARMLESS.fullmatch(value) or _TAG.fullmatch(value))


def _second(found: re.Match[str]) -> str:
    return found[0] if _spared(found[2]) else found[1] + HIDDEN


def _between_quotes(found: re.Match[str]) -> str:
    """The value between quotes, which stay as they are."""
    quote, body = (found["open"], found["inner"]) if found["open"] else (found["quote"], found["body"])
    if _spared(body):
        return found[0]
    return found[1] + quote + HIDDEN + (quote if found[0].endswith(quote) else "")


def _whole(found: re.Match[str]) -> str:
    return HIDDEN


def _colon(found: re.Match[str]) -> str:
    """`name: value` without quotes may be a sentence: the value must look like one that nobody would say."""
    value = found[2]
    strange = len(value) >= 6 and re.search(r"[0-9!@#$%^*+/=]", value)
    return _second(found) if strange or _alone(found) else found[0]


def _named_short(found: re.Match[str]) -> str:
    """After a short name figures alone, or a word that could be said, are no credential."""
    value = found[3]
    strange = len(value) >= 6 and re.search(r"[0-9!@#$%^*+/=]", value) and re.search(r"[^\W\d]", value)
    told = strange or (found[1].rstrip().endswith("=") and len(value) >= 6 and not value.isdigit())
    return found[1] + found[2] + HIDDEN if told and not _spared(value) else found[0]


def _alone(found: re.Match[str]) -> bool:
    """Whether name and value are a whole line, as in YAML."""
    before, after = found.string[: found.start()].rpartition("\n")[2], found.string[found.end() :].partition("\n")[0]
    return re.fullmatch(r"[\s{-]*[\w.-]*", before) is not None and not after.strip(" ,\t}")


def _login(found: re.Match[str]) -> str:
    """`user:password` after a flag: the user stays."""
    quote, login = found[2] or "", found[3]
    user, colon, password = login.partition(":")
    if not colon or _spared(password) or _spared(login):
        return found[0]
    return f"{found[1]}{quote}{user}:{HIDDEN}{quote if found[0].endswith(quote) else ''}"


_PAIR = re.compile(r"([\w.-]+=)(\"?)([^;\s'\"]+)\2")


def _cookies(found: re.Match[str]) -> str:
    pairs = _PAIR.sub(lambda pair: pair[0] if _spared(pair[3]) else pair[1] + HIDDEN, found[2])
    return found[1] + (pairs if pairs != found[2] or "=" in found[2] or _spared(found[2]) else HIDDEN)


_KEY = "s3cr3tValue9"
CREDENTIALS: tuple[TextKind, ...] = (
    TextKind(
        name="private key",
        hints=("-----begin",),
        pattern=re.compile(r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----)([\s\S]*?)(?=-----END|\Z)"),
        hide=lambda found: found[1] + HIDDEN,
        examples=((f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{_KEY}\n-----END RSA PRIVATE KEY-----", _KEY),),
        kept=("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",),
    ),
    TextKind(
        name="login in an address",
        hints=("://",),
        pattern=re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/?#@]*:)([^\s/@]+(?:@(?=[^\s/]*@)[^\s/@]*)*)(?=@)"),
        hide=_second,
        examples=(
            (f"postgresql://user:{_KEY}@host:6543/db", _KEY),
            (f"redis://:{_KEY}@host/0", _KEY),
            (f"https://user:{_KEY}%40x@host", _KEY),
        ),
        kept=("https://host:8443/path", "redis://cache:6379/0", 'curl "https://$USER:$PASSWORD@host"'),
    ),
    TextKind(
        name="authorization header",
        hints=("authorization",),
        pattern=re.compile(
            r"(?i)(authorization['\"]?\s*[:=]\s*\\?['\"]?(?:(?:bearer|basic|token|digest|negotiate|apikey)\s+)?)"
            r"([^\s'\",}\\]+)"
        ),
        hide=_second,
        examples=(
            (f"Authorization: Bearer {_KEY}", _KEY),
            (f"proxy-authorization: Basic {_KEY}=", _KEY),
            (f'"authorization":"{_KEY}"', _KEY),
        ),
        kept=('-H "Authorization: Bearer $CRON_SECRET"',),
    ),
    TextKind(
        name="bearer token",
        hints=("bearer",),
        pattern=re.compile(
            r"(?i)(\bbearer(?:\s+|\s?[:=]\s?))(?!authenti|authori|credential|error|realm=)([\w.~+/=-]{8,})"
        ),
        hide=_second,
        examples=((f"sent Bearer {_KEY}", _KEY), (f"bearer={_KEY}", _KEY)),
        kept=("a bearer of news", "Bearer authentication is required", "WWW-Authenticate: Bearer realm=x"),
    ),
    TextKind(
        name="cookies",
        hints=("cookie",),
        pattern=re.compile(r"(?i)(\b(?:set-)?cookie['\"]?\s*[:=]\s*\\?['\"]?)([^\r\n'\"]+)"),
        hide=_cookies,
        examples=((f"Cookie: theme=dark; session={_KEY}", _KEY), (f"set-cookie: sid={_KEY}; Path=/", _KEY)),
        kept=('-H "Cookie: token=$ADMIN_TOKEN"', "the cookie expired"),
    ),
    TextKind(
        name="header of a key",
        hints=("x-",),
        pattern=re.compile(
            r"(?i)(\bx-[\w-]{0,40}(?:key|token|secret|auth|signature|password)(?:-\d+)?['\"]?\s*[:=]\s*\\?['\"]?)"
            r"([^\s'\",}\\]+)"
        ),
        hide=_second,
        examples=(
            (f"x-api-key: {_KEY}", _KEY),
            (f"X-Auth-Token={_KEY}", _KEY),
            (f"X-Hub-Signature-256: sha256={_KEY}", _KEY),
            ("x-vault-token: abcdefgh", "abcdefgh"),
        ),
        kept=("x-request-id: 7f3a", 'x-api-key: "$KEY"'),
    ),
    TextKind(
        name="signature of a message",
        hints=("-signature",),
        pattern=re.compile(r"(?i)(\b(?!x-)\w+-signature['\"]?\s*[:=]\s*['\"]?)([^\s'\"}]+)"),
        hide=_second,
        examples=((f"Stripe-Signature: t=1,v1={_KEY}", _KEY),),
        kept=("the webhook-signature is checked",),
    ),
    TextKind(
        name="named value in quotes",
        hints=_NAMES,
        pattern=re.compile(rf"(?i)({_NAME}\\*['\"]?\s*(?:=>|[:=])\s*){_QUOTED}"),
        hide=_between_quotes,
        examples=(
            (f'{{"refreshToken": "{_KEY}", "a": 1}}', _KEY),
            (f'{{"pwd":"{_KEY}"}}', _KEY),
            (f"authKey: '{_KEY}'", _KEY),
            (f"password='two {_KEY} words'", _KEY),
            ("DB_PASSWORD=\"correct horse battery\" next", "horse"),
            (f'{{\\"clientSecret\\":\\"{_KEY}\\"}}', _KEY),
            ('"password":"a\\"b tail"', "tail"),
        ),
        kept=('"token": "$TOKEN"', '{"secretName":"nexnum-secrets"}', '"tokens":"12"', '"password": null'),
    ),
    TextKind(
        name="named value after an equals sign",
        hints=(*_NAMES, "sig=", "signature=", "hmac=", "?code=", "&code=", "auth=", "hash="),
        pattern=re.compile(rf"(?i)((?:(?!pwd=/){_NAME}|{_QUERY_NAME})\s?=>?\s?){_WORD}"),
        hide=_second,
        examples=(
            (f"GET https://x.example/api?action=getNumber&api_key={_KEY}&service=wa", _KEY),
            (f"https://x.example/api?key={_KEY}", _KEY),
            (f"PGPASSWORD={_KEY} psql", _KEY),
            (f"DB_PASSWORD={_KEY}", _KEY),
            (f"CRON_SECRET={_KEY}", _KEY),
            (f"MYSQL_PWD={_KEY}", _KEY),
            (f"token={_KEY};", _KEY),
            (f"host=db password={_KEY} user=x", _KEY),
            (f"SECRET_KEY_BASE={_KEY}", _KEY),
            (f"PHPSESSID={_KEY}", _KEY),
            (f"password => {_KEY}", _KEY),
            (f"helm upgrade --set-string auth.adminKey={_KEY}", _KEY),
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
        pattern=re.compile(rf"(?i)({_NAME}\s?:(?!:)\s*){_WORD}"),
        hide=_colon,
        examples=(
            (f"password: {_KEY}", _KEY), (f"apiKey: {_KEY},", _KEY), (f"password:{_KEY}", _KEY),
            (f"api key: {_KEY}", _KEY), (f"client-key-data: {_KEY}", _KEY), (f"tls.key: {_KEY}", _KEY),
            (f"sessionId: {_KEY}", _KEY),
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
            (f"SMTP_PASS={_KEY}", _KEY), (f'dbPass: "{_KEY}"', _KEY), (f"REDISCLI_AUTH={_KEY} redis-cli", _KEY),
            (f"ADMIN_PW={_KEY}", _KEY), (f"adminPw: {_KEY}", _KEY), (f"user=admin pass={_KEY}", _KEY),
            (f"auth: {_KEY}", _KEY), ("DB_PASS=hunterhunter", "hunter"),
        ),
        kept=(
            "pass: 41, fail: 2", "pass=3", "auth: ok", "auth=none", "bypass=a1b2c3d4", "auth: disabled",
            "compass: north12", "DB_PASS=$DB_PASS",
        ),
    ),
    TextKind(
        name="password in SQL",
        hints=("password",),
        pattern=re.compile(r"(?i)(\bpassword\s+)'((?:[^'\n]|'')+)'?"),
        hide=lambda found: found[0] if _spared(found[2]) else f"{found[1]}'{HIDDEN}'",
        examples=(
            (f"ALTER ROLE nexnum WITH ENCRYPTED PASSWORD '{_KEY}'", _KEY),
            ("CREATE USER x PASSWORD 'hunter two';", "hunter"),
        ),
        kept=("ALTER ROLE nexnum PASSWORD NULL", "password authentication failed for user 'nexnum'"),
    ),
    TextKind(
        name="password of a Redis",
        hints=("auth", "requirepass"),
        pattern=re.compile(
            rf"((?i:\b(?:requirepass|masterauth))\s+['\"]?)([^\s'\"]+)|(\bAUTH\s+(?:[\w-]+\s+)?['\"]?)({_STRANGE})"
        ),
        hide=lambda found: found[0] if _spared(found[2] or found[4]) else (found[1] or found[3]) + HIDDEN,
        examples=(
            (f"AUTH {_KEY}", _KEY), (f"AUTH default {_KEY}", _KEY), ("CONFIG SET requirepass hunter", "hunter"),
        ),
        kept=("AUTH failed: WRONGPASS", "NOAUTH Authentication required.", "CONFIG SET maxmemory 100mb"),
    ),
    TextKind(
        name="credential in a sentence",
        hints=("password", "passphrase", "token", "secret", "key"),
        pattern=re.compile(
            r"((?i:\b(?:password|passphrase|token|secret|api[ _-]?key|access[ _-]?key)"
            rf"(?:\s+(?:is|was|of))?)\s+['\"]?)({_STRANGE})"
        ),
        hide=_second,
        examples=(
            (f"password is {_KEY}", _KEY), (f"the password was '{_KEY}'", _KEY), (f"using token {_KEY}", _KEY),
            (f'wrong password "{_KEY}" for admin', _KEY), (f"with api key {_KEY}", _KEY),
        ),
        kept=(
            "secret nexnum-secrets-7f3a9c not found", "token expired 2026-11-29", "the password is missing",
            "secret rotated 3 days ago",
        ),
    ),
    TextKind(
        name="element of XML",
        hints=("</",),
        pattern=re.compile(rf"(?i)(<[\w:.-]{{0,40}}?{_NAME}>)([^<\n]{{1,2000}})(?=</)"),
        hide=_second,
        examples=((f"<password>{_KEY}</password>", _KEY),),
        kept=("<tokens>12</tokens>", "<secret></secret>"),
    ),
    TextKind(
        name="percent-encoded value",
        hints=("%3d", "%3a"),
        pattern=re.compile(
            r"(?i)((?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|auth|access|private)[_-]?key)(?:%22)?"
            r"(?:%3D|%3A)(?:%20|\+)?(?:%22|%27)?)((?:(?!%26|%3B|%22|%27|%2C|%7D|%0A|%20)[^\s&'\"])+)"
        ),
        hide=_second,
        examples=((f"redirect=%2Fx%3Ftoken%3D{_KEY}%26a%3D1", _KEY), (f"%7B%22password%22%3A%22{_KEY}%22%7D", _KEY)),
        kept=("q%3Dpurchase%26page%3D2",),
    ),
    TextKind(
        name="login after a flag",
        hints=("curl",),
        pattern=re.compile(
            r"(\bcurl\b[^\n|;]{0,400}?\s(?:-u|--user|-U|--proxy-user)[ =]?)(['\"]?)([^\s'\"]+(?:(?<=:)[^'\"\n]*)?)\2"
        ),
        hide=_login,
        examples=(
            (f"curl -sf -u admin:{_KEY} https://x", _KEY),
            (f"curl --user 'admin:{_KEY}' https://x", _KEY),
        ),
        kept=('curl -u "$USER:$PASSWORD" https://x', "curl -u admin https://x"),
    ),
    TextKind(
        name="credential after a flag",
        hints=("--", "redis-cli", "sshpass", "mysql", "docker"),
        pattern=re.compile(
            r"(?i)((?<!\w)--(?:pass|password|passphrase|token|secret|api-?key|(?:access|auth)-token|client-secret)[ =]"
            r"|--from-literal[= ][\w.-]{1,60}=|\bdocker\s+login\b[^\n|;]{0,200}?\s-p "
            r"|\bredis-cli\b[^\n|;]{0,200}?\s-a |\bsshpass\b[^\n|;]{0,40}?\s-p ?|\bmysql\b[^\n|;]{0,200}?\s-p(?=\S))"
            r"(['\"]?[^\s'\"]+['\"]?)"
        ),
        hide=lambda found: found[0] if _spared(found[2].strip("'\"")) else found[1] + HIDDEN,
        examples=(
            (f"psql --password {_KEY} x", _KEY),
            (f"redis-cli -h cache -a {_KEY} ping", _KEY),
            (f"sshpass -p {_KEY} ssh", _KEY),
            (f"kubectl --token={_KEY} get pods", _KEY),
            (f"kubectl create secret generic x --from-literal=api={_KEY}", _KEY),
            (f"docker login -u x -p {_KEY}", _KEY),
        ),
        kept=('kubectl --token "$TOKEN" get pods', "redis-cli -h cache ping", "serve --token-file x"),
    ),
    TextKind(
        name="credential that is piped",
        hints=("-stdin",),
        pattern=re.compile(r"(\becho\s+(?:-n\s+)?)([^\s|]+)(?=\s*\|[^\n|]{0,200}--(?:password|token)-stdin)"),
        hide=lambda found: found[0] if _spared(found[2].strip("'\"")) else found[1] + HIDDEN,
        examples=((f"echo {_KEY} | docker login -u x --password-stdin", _KEY),),
        kept=('echo "$TOKEN" | docker login --password-stdin',),
    ),
    TextKind(
        name="token in place of a login",
        hints=("://",),
        pattern=re.compile(r"(\b[a-zA-Z][\w+.-]*://)((?=[A-Za-z_]*\d)[A-Za-z0-9_]{16,})(?=@)"),
        hide=_second,
        examples=((f"https://{_KEY}{_KEY}@github.com/x.git", _KEY),),
        kept=("ssh://git@github.com/x.git", "https://nexnum_readonly_user@host", "https://$GITHUB_TOKEN_2026_xxxxxx@host"),
    ),
    TextKind(
        name="address of a webhook",
        hints=("hooks.slack.com", "webhook"),
        pattern=re.compile(
            r"(?i)(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/\d+/"
            r"|\.webhook\.office\.com/webhookb2/)([^\s'\"]+)"
        ),
        hide=_second,
        examples=(
            (f"https://hooks.slack.com/services/T000/B000/{_KEY}", _KEY),
            (f"https://discord.com/api/webhooks/123/{_KEY}", _KEY),
        ),
        kept=("https://hooks.slack.com/services/$SLACK", "https://nexnum.example/api/webhooks/5sim"),
    ),
    TextKind(
        name="token of a known form",
        hints=("_live_", "_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "glpat",
               "xox", "akia", "asia", "aiza",
               "npm_", "hvs.", ":aa", "sk-", "sg.", "dop_v1_", "whsec_", "shpat_", "pypi-"),
        pattern=re.compile(
            r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
            r"|\bxox[abeprs]-[\w-]{8,}|\b(?:AKIA|ASIA)[0-9A-Z]{12,}|\bAIza[\w-]{30,}|\bnpm_\w{30,}|\bhvs\.[\w-]{20,}"
            r"|\bsk-(?=[\w-]*\d)(?:proj-|ant-)?[\w-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bdop_v1_\w{32,}|\bwhsec_\w{16,}"
            r"|\bshpat_\w{16,}|\bpypi-[\w-]{40,}|(?<!\d)\d{8,10}:AA[\w-]{30,}"
        ),
        hide=_whole,
        examples=(
            ("sk_live_4242abcdEFGH", "4242abcd"),
            ("ghp_0123456789abcdef0123", "456789ab"),
            ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN"),
            ("sk-ant-api03-0123456789abcdefABCDEF", "456789ab"),
            ("SG.0123456789abcdefABCD.0123456789abcdefABCD", "456789ab"),
            ("whsec_0123456789abcdef", "456789ab"),
            ("https://api.telegram.org/bot123456789:AAE1234567890abcdefghij1234567890xyz/sendMessage", "E1234567"),
        ),
        kept=("AKIA is a prefix", "ghp_short", "a-sk-nexnum", "disk-usage-of-node-17-is-high-now"),
    ),
    TextKind(
        name="JSON web token",
        hints=("eyj",),
        pattern=re.compile(r"\beyJ[\w-]{5,}\.[\w-]{3,}(?:\.[\w-]*)?"),
        hide=_whole,
        examples=(("cookie eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl", "eyJzdWIiOiI0MiJ9"),),
        kept=("eyJ",),
    ),
)  # fmt: skip
