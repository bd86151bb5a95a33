"""Where a customer is reached: e-mail addresses, handles, mail names without a top-level domain, and streets."""

from __future__ import annotations

import re

from .kinds import TextKind, tag


def _whole(found: re.Match[str]) -> str:
    return tag(found[0])


def _second(found: re.Match[str]) -> str:
    return found[1] + tag(found[2])


# What stands after an @ and is nobody: fields of logs, tags of packages and images, groups of people on call.
_NO_HANDLE = (
    r"(?:timestamp|version|message|metadata|context|fields|level|latest|canary|sha\d+|here|channel|everyone|oncall"
    r"|on_call|team|media|import|keyframes|charset|deprecated|returns?|param|throws|Override|Injectable|Controller)\b"
)
# Accounts of machines, and operators' names at their machines (`root@vm`), which are shown.
_NO_CUSTOMER = (
    r"(?:root|git|admin|postgres|redis|node|ubuntu|debian|ec2-user|deploy|ci|kubernetes-admin|nexnum[\w-]{0,30})@"
)
_HOST = r"[^\W\d_][\w-]{0,62}(?![\w@-]|\.\w|://)"
_TAGS = r"(?:latest|next|beta|alpha|canary|stable|https?|file|webpack|sha\d+|v\d[\w-]*)\b"
_CUSTOMER = r"(?:user(?:[_-]?name)?|customer|buyer|client|login|account|e-?mail|rcpt to|mail from|recipient|mailto)"

_CITY_WORDS = r"Street|Road|Avenue|Lane|Boulevard|Terrace|Crescent|(?:St|Rd|Ave|Blvd)(?:\.|(?=,|$|\n))"
_STREETS = (
    # 221B Baker Street; Hauptstraße 12; 12 bis, rue de la Paix; ул. Ленина, д. 5
    rf"(?<![\w.:/-])\d{{1,5}}[A-Za-z]?,? (?:[^\W\d_a-zß-ÿ][\w'’.-]{{1,24}} ){{1,3}}(?:{_CITY_WORDS})(?!\w)"
    r"|(?<!\w)[^\W\d_a-zß-ÿ][^\W\d_]{2,24}(?:stra(?:ße|sse|at)|str\.|gasse|allee|gracht|laan|plein)"
    r" \d{1,4}[a-z]?(?![\w.:])"
    r"|(?<![\w.:/-])\d{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|chemin) (?:d\w{0,2}['’ ])?(?:la |l['’])?"
    r"[^\W\d_a-zß-ÿ][\w'’-]{1,24}"
    r"|(?<!\w)(?:ул|пр|пер)\. ?[^\W\d_][\w -]{1,30}?,? (?:д\. ?)?\d{1,4}(?!\w)"
)

CONTACTS: tuple[TextKind, ...] = (
    TextKind(
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
    TextKind(
        name="handle",
        hints=("@",),
        pattern=re.compile(
            rf"(?<![\w@./:+%$}})>‹›-])@(?!{_NO_HANDLE})[A-Za-z][A-Za-z0-9_]{{4,31}}(?![\w@/(-]|[.:][\w*]|[\"']\s*:)"
        ),
        hide=_whole,
        examples=(
            ("from @anna_smith in Telegram", "anna_smith"),
            ("sold to @Anna77.", "Anna77"),
            ('{"from":"@anna_smith"}', "anna_smith"),
        ),
        kept=(
            '{"@timestamp":"2026-01-23"}',
            "@nestjs/core",
            "node_modules/@sentry/node",
            "@Injectable()",
            "next@canary",
            "@sha256:9f86",
            "ask @oncall",
            "$@array",
            "@ratelimit:*",
            "{name}@bastion",
            "root@vm",
        ),
    ),
    TextKind(
        name="handle after its name",
        hints=("t.me/", "telegram", "tg", "whatsapp"),
        pattern=re.compile(
            r"(?i)(\b(?:t|telegram)\.me/"
            r"|(?<![a-z])(?:telegram|tg|whatsapp)[ _-]?(?:user(?:[ _-]?name)?|handle|nick(?:name)?)"
            r"\\?[\"']?\s*[:=]\s*\\?[\"']?@?)(?!null\b|none\b|undefined\b|\+|joinchat)([a-z]\w{2,31})"
        ),
        hide=_second,
        examples=(
            ("see https://t.me/anna_smith", "anna_smith"),
            ('{"telegramUsername":"annas"}', "annas"),
            ("tg_handle=@anna", "anna"),
        ),
        kept=("telegram username: null", "telegram users: 12", "https://t.me/+"),
    ),
    TextKind(
        name="mail name without a top-level domain",
        hints=("@",),
        pattern=re.compile(
            rf"(?<![\w.+%@/-])(?!{_NO_CUSTOMER})[\w-]{{1,40}}[.+][\w.+-]{{1,40}}@(?!{_TAGS}){_HOST}"
            rf"|(?<![\w.+%@/-])(?!{_NO_CUSTOMER})[\w-]{{1,64}}@localhost(?![\w.-]|://)"
        ),
        hide=_whole,
        examples=(
            ("anna.smith@mailhost wrote", "anna"),
            ("anna+shop@intranet", "anna"),
            ("to anna@localhost", "anna"),
        ),
        kept=("root@vm", "root@localhost", "lodash.merge@latest", "kubernetes-admin@kubernetes", "a.b@https://x"),
    ),
    TextKind(
        name="mail name after the word for it",
        hints=("@",),
        pattern=re.compile(
            rf"(?i)((?<![\w-]){_CUSTOMER}(?:\\?[\"']?\s?[:=]\s?\\?[\"'<]?| ['\"<]?)|<)"
            rf"(?!{_NO_CUSTOMER})([\w.+-]{{1,64}}@(?!{_TAGS}){_HOST})"
        ),
        hide=_second,
        examples=(
            ("RCPT TO:<anna@corp>", "anna"),
            ("mailto:anna@corp", "anna"),
            ("user anna@corp bought", "anna"),
            ('"username":"anna@corp"', "anna"),
        ),
        kept=("user root@vm", "login: root@vm", "commander maria@laptop", "<root@vm>"),
    ),
    TextKind(
        name="field of an address",
        hints=("street", "address", "zip", "post"),
        pattern=re.compile(
            r"(?i)((?<![a-z])(?:street(?:[_-]?(?:name|address|line))?[_-]?\d?|address[_-]?line[_-]?\d?"
            r"|(?:billing|shipping|home|delivery|mailing|postal)[_-]?address(?:[_-]?line)?[_-]?\d?"
            r"|(?:zip|post|postal)[_-]?code)\\?[\"']?\s*[:=]\s*\\?[\"']?)"
            r"((?!‹|null\b|none\b|undefined\b|true\b|false\b)[^\W_][^\n\"'\\;={}]{0,120})"
        ),
        hide=_second,
        examples=(
            ('{"street":"Main 12","city":"X"}', "Main"),
            ("billingAddress: 12 Main, X", "Main"),
            ("postal_code=1017 AB", "1017"),
        ),
        kept=("street: null", "address: db:5432", "listening at address 10", "post code review"),
    ),
    TextKind(
        name="street",
        pattern=re.compile(_STREETS),
        hide=_whole,
        examples=(
            ("lives at 221B Baker Street, London", "Baker"),
            ("12 Main St, Springfield", "Main"),
            ("Hauptstraße 12 in Bonn", "Hauptstra"),
            ("12 bis, rue de la Paix", "Paix"),
            ("ул. Ленина, д. 5", "Ленина"),
        ),
        kept=("12 purchases", "2 main streets", "5 Purchases fail", "3 Wall clocks", "12 rows on the Road", "allee 5"),
    ),
)
