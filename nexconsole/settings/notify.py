"""`[notify]`: who is told of an incident, of what, and in which words; the checks of its keys."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from ..errors import SettingsError
from ..text.suggestions import did_you_mean
from .table import SettingsTable

KINDS = (
    "opened",
    "severity",
    "cause",
    "action",
    "objection",
    "approval",
    "proposal",
    "broke_glass",
    "handover",
    "closed",
)
FIELDS = (
    "environment",
    "name",
    "incident",
    "title",
    "kind",
    "level",
    "was",
    "who",
    "what",
    "text",
    "reason",
    "at",
)
LEVELS = ("SEV-1", "SEV-2", "SEV-3", "none")
DESKTOPS = ("auto", "osc9", "osc777", "both", "off")
WITH_SECRETS = frozenset({"notify.urls", "notify.services"})
MOST_SERVICES, LONGEST_TEMPLATE, SHORTEST_TOKEN, LONG_TOKEN = 20, 2_000, 8, 20
DRILL = "drill"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,29}")


class NotifyService(SettingsTable):
    """A service that is told, `[notify.services.NAME]`: a chat, a pager, a mailbox."""

    url: str = ""  # its address as Apprise writes it: slack://..., ntfys://..., pagerduty://..., mailtos://...
    kinds: tuple[str, ...] = ()  # what it is told of; empty: everything
    from_level: str = "none"  # "SEV-2": only what is about a severity of SEV-2 or worse
    api: str = ""  # of a pager: where its API is, if it is not the public one


class NotifySettings(SettingsTable):
    """Who is told of an incident, through Apprise (`pip install 'nexconsole[notify]'`), and how this terminal tells."""

    # addresses as Apprise writes them, of services that are told of everything; each is a secret
    urls: tuple[str, ...] = ()
    # services by name, each with url (a secret), kinds, from_level, api: [notify.services.NAME]
    services: dict[str, NotifyService] = msgspec.field(default_factory=dict)
    # kind -> its text, with fields in braces such as {level}, {who}, {text}; what has none is said in our words
    templates: dict[str, str] = msgspec.field(default_factory=dict)
    environments: tuple[str, ...] = ()  # in which anybody is told; empty: in all but a drill
    per_minute: int = 20  # messages that a service is sent in a minute; what is more is counted in one; 0: no limit
    bell: bool = True  # the terminal rings when the severity rises
    desktop: str = "auto"  # a notice of the desktop then: auto (by the terminal), osc9, osc777, both or off

    @property
    def named(self) -> Mapping[str, NotifyService]:
        """Every service by its name; those of `urls` have their scheme for one, such as `slack` or `slack-2`."""
        found = dict(self.services)
        for url in self.urls:
            scheme = url.partition("://")[0].lower()
            names = (scheme if number == 1 else f"{scheme}-{number}" for number in range(1, MOST_SERVICES * 2 + 2))
            name = next(name for name in names if name not in found)
            found[name] = NotifyService(url=url)
        return {name: service for name, service in found.items() if service.url}

    def tells_in(self, environment: str) -> bool:
        """Whether anybody is told of what happens in this environment. A drill tells nobody unless it is named."""
        name = environment.casefold()
        return name in {each.casefold() for each in self.environments} if self.environments else name != DRILL


def check(key: str, value: Any, origin: str) -> None:
    """Raises SettingsError for what has the right type and makes no sense."""
    problem = ""
    if key == "notify.urls":
        problem = _too_many(len(value)) or next(filter(None, map(_wrong_address, value)), "")
    elif key == "notify.services":
        problem = _too_many(len(value)) or next(filter(None, (_service(*each) for each in value.items())), "")
    elif key == "notify.templates":
        problem = next(filter(None, (_template(*each) for each in value.items())), "")
    elif key == "notify.desktop" and value not in DESKTOPS:
        problem = f": expected one of {', '.join(DESKTOPS)}{did_you_mean(value, DESKTOPS)}"
    if problem:
        raise SettingsError(f"{origin}: {key}{problem}")


def masked(value: Any) -> Any:
    """Addresses, or services with theirs, without what is secret: their scheme is left."""
    if isinstance(value, str):
        return f"{value.partition('://')[0]}://***" if "://" in value else "***"
    if isinstance(value, Mapping):
        return {name: service | {"url": masked(service["url"])} for name, service in value.items()}
    return [masked(url) for url in value]


def secrets_in(settings: NotifySettings) -> set[str]:
    """The addresses whole, their passwords, and what in them looks like a token."""
    urls = {*settings.urls, *(service.url for service in settings.services.values())}
    return urls | {word for url in urls for word in _words(url)}


def _words(url: str) -> Iterable[str]:
    try:
        parts = urlsplit(url)
        login = (parts.username or "", parts.netloc.rpartition("@")[2])
        rest = re.split(r"[/&=?#,;]", f"{parts.path}/{parts.query}/{parts.fragment}")
        password = parts.password or ""
    except ValueError:  # half an address
        return
    for word in (*login, *rest):
        if len(word) >= LONG_TOKEN or (len(word) >= SHORTEST_TOKEN and any(letter.isdigit() for letter in word)):
            yield from {word, unquote(word)} if "." not in word or word not in login else ()
    yield from {password, unquote(password)} - {""}


def _too_many(count: int) -> str:
    return f": there are {count}; at most {MOST_SERVICES} are told" if count > MOST_SERVICES else ""


def _wrong_address(url: str) -> str:
    """What is wrong with an address; it is not repeated, for it holds secrets."""
    return "" if _ADDRESS.match(url) else ": expected addresses as Apprise writes them, such as ntfys://HOST/TOPIC"


def _service(name: str, table: Mapping[str, Any] | NotifyService) -> str:
    """What is wrong, as it follows the key; "" where nothing is."""
    service: Mapping[str, Any] = msgspec.to_builtins(table)
    if not _NAME.fullmatch(name):
        return f".{name[:40]}: a name is at most 30 letters, digits, - and _"
    if not service.get("url") or _wrong_address(service["url"]):
        return f".{name}.url: expected an address as Apprise writes it, such as ntfys://HOST/TOPIC"
    if api := service.get("api", ""):
        if not api.startswith(("http://", "https://")):
            return f".{name}.api: expected an address that begins with http:// or https://"
    if (level := service.get("from_level", "none")) not in LEVELS:
        return f".{name}.from_level: there is no level {level}{did_you_mean(level, LEVELS)}: {', '.join(LEVELS)}"
    return _unknown(f".{name}.kinds: there is no kind", service.get("kinds", ()), KINDS)


def _unknown(text: str, words: Sequence[str], known: Sequence[str]) -> str:
    wrong = next((word for word in words if word not in known), None)
    if wrong is None:
        return ""
    return f"{text} {wrong[:40]}{did_you_mean(wrong, known) or ': ' + ', '.join(known)}"


def _template(kind: str, text: str) -> str:
    """A template has plain fields only: none of their parts, and no format of their own."""
    if kind not in KINDS:
        return _unknown(": there is no kind", (kind,), KINDS)
    if len(text) > LONGEST_TEMPLATE:
        return f".{kind}: it is longer than {LONGEST_TEMPLATE} characters"
    try:
        fields = [
            (field, form, change) for _, field, form, change in string.Formatter().parse(text) if field is not None
        ]
    except ValueError as error:
        return f".{kind}: {error}: write {{{{ and }}}} for braces"
    for field, form, change in fields:
        if field not in FIELDS:
            return _unknown(f".{kind}: there is no field", (field or "{}",), FIELDS)
        if form or change:
            return f".{kind}: {{{field}}} may have no format of its own"
    return ""
