"""Credentials in texts from outside: they are replaced by `***` before anything is shown, logged or recorded."""

from __future__ import annotations

import re

from .kinds import TextKind, hide_all
from .named_values import HIDDEN, KEY, NAME, NAMED_VALUES, STRANGE, second, spared


def redact(text: str) -> str:
    """The same text with credentials replaced; a shell variable in a credential's place stays."""
    return hide_all(CREDENTIALS, text)


def _whole(found: re.Match[str]) -> str:
    return HIDDEN


def _login(found: re.Match[str]) -> str:
    """`user:password` after a flag: the user stays."""
    quote, login = found[2] or "", found[3]
    user, colon, password = login.partition(":")
    if not colon or spared(password) or spared(login):
        return found[0]
    return f"{found[1]}{quote}{user}:{HIDDEN}{quote if found[0].endswith(quote) else ''}"


_PAIR = re.compile(r"([\w.-]+=)(\"?)([^;\s'\"]+)\2")


def _cookies(found: re.Match[str]) -> str:
    pairs = _PAIR.sub(lambda pair: pair[0] if spared(pair[3]) else pair[1] + HIDDEN, found[2])
    return found[1] + (pairs if pairs != found[2] or "=" in found[2] or spared(found[2]) else HIDDEN)


CREDENTIALS: tuple[TextKind, ...] = (
    TextKind(
        name="private key",
        hints=("-----begin",),
        pattern=re.compile(r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----)([\s\S]*?)(?=-----END|\Z)"),
        hide=lambda found: found[1] + HIDDEN,
        examples=((f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{KEY}\n-----END RSA PRIVATE KEY-----", KEY),),
        kept=("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",),
    ),
    TextKind(
        name="login in an address",
        hints=("://",),
        pattern=re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/?#@]*:)([^\s/@]+(?:@(?=[^\s/]*@)[^\s/@]*)*)(?=@)"),
        hide=second,
        examples=(
            (f"postgresql://user:{KEY}@host:6543/db", KEY),
            (f"redis://:{KEY}@host/0", KEY),
            (f"https://user:{KEY}%40x@host", KEY),
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
        hide=second,
        examples=(
            (f"Authorization: Bearer {KEY}", KEY),
            (f"proxy-authorization: Basic {KEY}=", KEY),
            (f'"authorization":"{KEY}"', KEY),
        ),
        kept=('-H "Authorization: Bearer $CRON_SECRET"',),
    ),
    TextKind(
        name="bearer token",
        hints=("bearer",),
        pattern=re.compile(
            r"(?i)(\bbearer(?:\s+|\s?[:=]\s?))(?!authenti|authori|credential|error|realm=)([\w.~+/=-]{8,})"
        ),
        hide=second,
        examples=((f"sent Bearer {KEY}", KEY), (f"bearer={KEY}", KEY)),
        kept=("a bearer of news", "Bearer authentication is required", "WWW-Authenticate: Bearer realm=x"),
    ),
    TextKind(
        name="cookies",
        hints=("cookie",),
        pattern=re.compile(r"(?i)(\b(?:set-)?cookie['\"]?\s*[:=]\s*\\?['\"]?)([^\r\n'\"]+)"),
        hide=_cookies,
        examples=((f"Cookie: theme=dark; session={KEY}", KEY), (f"set-cookie: sid={KEY}; Path=/", KEY)),
        kept=('-H "Cookie: token=$ADMIN_TOKEN"', "the cookie expired"),
    ),
    TextKind(
        name="header of a key",
        hints=("x-",),
        pattern=re.compile(
            r"(?i)(\bx-[\w-]{0,40}(?:key|token|secret|auth|signature|password)(?:-\d+)?['\"]?\s*[:=]\s*\\?['\"]?)"
            r"([^\s'\",}\\]+)"
        ),
        hide=second,
        examples=(
            (f"x-api-key: {KEY}", KEY),
            (f"X-Auth-Token={KEY}", KEY),
            (f"X-Hub-Signature-256: sha256={KEY}", KEY),
            ("x-vault-token: abcdefgh", "abcdefgh"),
        ),
        kept=("x-request-id: 7f3a", 'x-api-key: "$KEY"'),
    ),
    TextKind(
        name="signature of a message",
        hints=("-signature",),
        pattern=re.compile(r"(?i)(\b(?!x-)\w+-signature['\"]?\s*[:=]\s*['\"]?)([^\s'\"}]+)"),
        hide=second,
        examples=((f"Stripe-Signature: t=1,v1={KEY}", KEY),),
        kept=("the webhook-signature is checked",),
    ),
    *NAMED_VALUES,
    TextKind(
        name="password in SQL",
        hints=("password",),
        pattern=re.compile(r"(?i)(\bpassword\s+)'((?:[^'\n]|'')+)'?"),
        hide=lambda found: found[0] if spared(found[2]) else f"{found[1]}'{HIDDEN}'",
        examples=(
            (f"ALTER ROLE nexnum WITH ENCRYPTED PASSWORD '{KEY}'", KEY),
            ("CREATE USER x PASSWORD 'hunter two';", "hunter"),
        ),
        kept=("ALTER ROLE nexnum PASSWORD NULL", "password authentication failed for user 'nexnum'"),
    ),
    TextKind(
        name="password of a Redis",
        hints=("auth", "requirepass"),
        pattern=re.compile(
            rf"((?i:\b(?:requirepass|masterauth))\s+['\"]?)([^\s'\"]+)|(\bAUTH\s+(?:[\w-]+\s+)?['\"]?)({STRANGE})"
        ),
        hide=lambda found: found[0] if spared(found[2] or found[4]) else (found[1] or found[3]) + HIDDEN,
        examples=(
            (f"AUTH {KEY}", KEY), (f"AUTH default {KEY}", KEY), ("CONFIG SET requirepass hunter", "hunter"),
        ),
        kept=("AUTH failed: WRONGPASS", "NOAUTH Authentication required.", "CONFIG SET maxmemory 100mb"),
    ),
    TextKind(
        name="credential in a sentence",
        hints=("password", "passphrase", "token", "secret", "key"),
        pattern=re.compile(
            r"((?i:\b(?:password|passphrase|token|secret|api[ _-]?key|access[ _-]?key)"
            rf"(?:\s+(?:is|was|of))?)\s+['\"]?)({STRANGE})"
        ),
        hide=second,
        examples=(
            (f"password is {KEY}", KEY), (f"the password was '{KEY}'", KEY), (f"using token {KEY}", KEY),
            (f'wrong password "{KEY}" for admin', KEY), (f"with api key {KEY}", KEY),
        ),
        kept=(
            "secret nexnum-secrets-7f3a9c not found", "token expired 2026-11-29", "the password is missing",
            "secret rotated 3 days ago",
        ),
    ),
    TextKind(
        name="element of XML",
        hints=("</",),
        pattern=re.compile(rf"(?i)(<[\w:.-]{{0,40}}?{NAME}>)([^<\n]{{1,2000}})(?=</)"),
        hide=second,
        examples=((f"<password>{KEY}</password>", KEY),),
        kept=("<tokens>12</tokens>", "<secret></secret>"),
    ),
    TextKind(
        name="percent-encoded value",
        hints=("%3d", "%3a"),
        pattern=re.compile(
            r"(?i)((?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|auth|access|private)[_-]?key)(?:%22)?"
            r"(?:%3D|%3A)(?:%20|\+)?(?:%22|%27)?)((?:(?!%26|%3B|%22|%27|%2C|%7D|%0A|%20)[^\s&'\"])+)"
        ),
        hide=second,
        examples=((f"redirect=%2Fx%3Ftoken%3D{KEY}%26a%3D1", KEY), (f"%7B%22password%22%3A%22{KEY}%22%7D", KEY)),
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
            (f"curl -sf -u admin:{KEY} https://x", KEY),
            (f"curl --user 'admin:{KEY}' https://x", KEY),
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
        hide=lambda found: found[0] if spared(found[2].strip("'\"")) else found[1] + HIDDEN,
        examples=(
            (f"psql --password {KEY} x", KEY),
            (f"redis-cli -h cache -a {KEY} ping", KEY),
            (f"sshpass -p {KEY} ssh", KEY),
            (f"kubectl --token={KEY} get pods", KEY),
            (f"kubectl create secret generic x --from-literal=api={KEY}", KEY),
            (f"docker login -u x -p {KEY}", KEY),
        ),
        kept=('kubectl --token "$TOKEN" get pods', "redis-cli -h cache ping", "serve --token-file x"),
    ),
    TextKind(
        name="credential that is piped",
        hints=("-stdin",),
        pattern=re.compile(r"(\becho\s+(?:-n\s+)?)([^\s|]+)(?=\s*\|[^\n|]{0,200}--(?:password|token)-stdin)"),
        hide=lambda found: found[0] if spared(found[2].strip("'\"")) else found[1] + HIDDEN,
        examples=((f"echo {KEY} | docker login -u x --password-stdin", KEY),),
        kept=('echo "$TOKEN" | docker login --password-stdin',),
    ),
    TextKind(
        name="token in place of a login",
        hints=("://",),
        pattern=re.compile(r"(\b[a-zA-Z][\w+.-]*://)((?=[A-Za-z_]*\d)[A-Za-z0-9_]{16,})(?=@)"),
        hide=second,
        examples=((f"https://{KEY}{KEY}@github.com/x.git", KEY),),
        kept=("ssh://git@github.com/x.git", "https://nexnum_readonly_user@host", "https://$GITHUB_TOKEN_2026_xxxxxx@host"),
    ),
    TextKind(
        name="address of a webhook",
        hints=("hooks.slack.com", "webhook"),
        pattern=re.compile(
            r"(?i)(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/\d+/"
            r"|\.webhook\.office\.com/webhookb2/)([^\s'\"]+)"
        ),
        hide=second,
        examples=(
            (f"https://hooks.slack.com/services/T000/B000/{KEY}", KEY),
            (f"https://discord.com/api/webhooks/123/{KEY}", KEY),
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
