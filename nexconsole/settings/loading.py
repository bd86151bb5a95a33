"""Loads the settings: a TOML file, over it a profile or NexNum's environment variables, over those flags.

Unknown keys and wrong types are refused with file and key. A secret (`SECRETS`) may be given as `{ command = ["pass",
"show", "nexnum/db"] }`.
"""

from __future__ import annotations

import getpass
import math
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

from ..errors import SettingsError
from ..text.suggestions import did_you_mean
from . import notify, own_signals, platform_choice, profiles, secret_commands, settings_file
from .tables import AS_DOCKER, THEMES, Glyphs, LogLevel, Motion, Settings

# Variables that NexNum people already have, and the keys that they set.
ENVIRONMENT = {
    "DATABASE_URL": "postgres.url",
    "REDIS_URL": "redis.url",
    "UPSTASH_REDIS_REST_URL": "redis.url",
    "UPSTASH_REDIS_REST_TOKEN": "redis.token",
    "PROMETHEUS_URL": "prometheus.url",
    "API_URL": "api.url",
    "CRON_SECRET": "api.cron_secret",
    "KUBECONFIG": "kubernetes.kubeconfig",
    "DOCKER_HOST": "docker.host",
    "DOCKER_CERT_PATH": "docker.cert_path",
    "DOCKER_TLS_VERIFY": "docker.tls_verify",
    "MEILI_HOST": "search.url",
    "MEILISEARCH_HOST": "search.url",
}
CHOICES = {
    "theme": THEMES,
    "motion": get_args(Motion),
    "glyphs": get_args(Glyphs),
    "log_level": get_args(LogLevel),
    "actions.provider_by": ("auto", "api", "sql"),
}
SECRETS = frozenset(
    {
        "postgres.url",
        "redis.url",
        "redis.token",
        "prometheus.bearer",
        "prometheus.password",
        "prometheus.headers",
        "api.headers",
        "api.cron_secret",
        "api.admin_token",
        "alertmanager.bearer",
        "alertmanager.password",
        "alertmanager.headers",
        "warroom.redis_url",
    }
)
FREE = frozenset(
    {
        "prometheus.headers",
        "api.headers",
        "alertmanager.headers",
        "providers.status_pages",
        "severity.alerts",
        "locks.families",
        "break_glass.contacts",
        "break_glass.links",
        "notify.services",
        "notify.templates",
        "signals",
        "keys",
    }
)
BOUNDS = {"recorder.hours": (1.0, 336.0), "recorder.limit_mb": (5.0, 2000.0), "recorder.every_s": (1.0, 60.0)}
SEVERITIES = ("SEV-1", "SEV-2", "SEV-3", "none")
URLS = frozenset(
    {"postgres.url", "redis.url", "prometheus.url", "api.url", "alertmanager.url", "search.url", "warroom.redis_url"}
)


@dataclass(frozen=True)
class Loaded:
    """The effective settings, and for each key ("postgres.url") that isn't the default where it came from.

    `profiles`: the names of all profiles of the file, in its order. `notes`: a sentence for what is not used.
    """

    settings: Settings
    origins: Mapping[str, str]
    profiles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, Any, str]]:
        """(key, value with secrets masked, origin) for every key, in the order of the fields."""
        flat = _flatten(msgspec.to_builtins(self.settings))
        return [(key, _masked(key, value), self._origin(key)) for key, value in flat.items()]

    def lines(self) -> list[tuple[str, str, str]]:
        """The same with each value as text."""
        return [(key, _as_text(key, value), origin) for key, value, origin in self.rows()]

    def _origin(self, key: str) -> str:
        if key == "postgres.url" and (looked_up := self.settings.database_origin):
            return looked_up
        return self.origins.get(key, "default")


def load(
    config: str | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    profile: str | None = None,
) -> Loaded:
    """Read the settings file, lay the profile over it, or the environment where there is none, and the flags over that.

    `config` is --config's path; without it NEXCONSOLE_CONFIG, else the XDG place, which may be absent. `profile` is
    --profile's name. Raises SettingsError with file (or variable, or flag) and key.
    """
    environ = os.environ if environ is None else environ
    flags = {key: value for key, value in (flags or {}).items() if value is not None}
    file, document = settings_file.read(config or environ.get("NEXCONSOLE_CONFIG"))
    known = profiles.taken_out(document, file) if file is not None else {}
    name = profiles.chosen(profile, environ, document.pop("profile", ""), known, file)
    values, origins = _from_file(document, known, name, file) if file is not None else ({}, {})
    unused: tuple[str, ...] = ()
    if name:
        profiles.refuse_addresses(name, flags)
        unused = _unused(environ, values, name)
    else:
        _lay_environment(environ, values, origins)
    for key, value in flags.items():
        values[key], origins[key] = value, "flag"
    platform_choice.choose(values, origins, environ, name)
    settings = _convert(_nest(values), lambda key: origins.get(key, "the settings"))
    for key, value in values.items():
        _check(key, value, origins[key])
    return Loaded(settings, origins, tuple(known), unused)


def _from_file(
    document: dict[str, Any], known: Mapping[str, dict[str, Any]], name: str, file: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values by dotted key with their origins: the file's, and over them those of the profile `name` ("": none).

    Every profile is checked, and only the chosen one's commands are run. Raises SettingsError.
    """
    for table in (document, *known.values()):
        if isinstance(table.get("keys"), dict):  # operation.undo = "U" without quotes is a table in a table
            table["keys"] = _leaves(table["keys"])
    flat = {each: _checked(table, f"{file}: profiles.{each}") for each, table in known.items()}
    base = _flatten(profiles.without_commands(document)) if known else {}
    profiles.check_apart(flat, base, file)
    effective = profiles.overlaid(document, known[name], FREE | SECRETS) if name else document
    secret_commands.run(effective, SECRETS, file)
    secret_commands.run_of_services(effective, file)
    _convert(effective, lambda key: str(file))
    values = _flatten(effective)
    origins = dict.fromkeys(values, str(file))
    if name:
        own = profiles.own_values(name, flat[name], base)
        values |= own
        origins |= dict.fromkeys((*flat[name], *own), f"{file}: profiles.{name}")
    return values, origins


def _checked(table: dict[str, Any], origin: str) -> dict[str, Any]:
    """A profile's own values by dotted key, its commands not run. Raises SettingsError."""
    without = profiles.without_commands(table)
    _convert(without, lambda key: origin)
    values, given = _flatten(without), _flatten(table)
    for key, value in values.items():
        if given.get(key) == value:
            _check(key, value, origin)
    return values


def _lay_environment(environ: Mapping[str, str], values: dict[str, Any], origins: dict[str, str]) -> None:
    """NexNum's variables over the file's values."""
    for variable, key in ENVIRONMENT.items():
        if value := environ.get(variable):
            if key == "search.url" and "://" not in value:
                value = f"http://{value}"  # Meilisearch's own name for it is host:port
            values[key], origins[key] = value if key != "docker.tls_verify" else True, variable


def _unused(environ: Mapping[str, str], values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A sentence for the variables that would say what the profile does not say: they may be of another NexNum."""
    unused = [variable for variable, key in ENVIRONMENT.items() if environ.get(variable) and not values.get(key)]
    if not unused:
        return ()
    return (f"not used: {', '.join(unused)} of the environment: the profile {name} says where to go, and has none",)


def _check(key: str, value: Any, origin: str) -> None:
    """Raises SettingsError for a value that makes no sense."""
    if key in URLS:
        _check_url(key, value, origin)
    else:
        _check_value(key, value, origin)


def named(settings: Settings) -> Settings:
    """The same settings with an operator: who sits here is the account (the one behind sudo), where nothing is said."""
    account = os.environ.get("SUDO_USER") or _account()
    operator = settings.operator or f"{account}@{socket.gethostname()}"
    return msgspec.structs.replace(settings, operator=operator)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's account, which has a number and no name
        return f"uid {os.geteuid()}"


def console_settings(settings: Settings) -> Settings:
    """What a console holds of these settings: who works at it, and no right that it does not need."""
    return named(powerless(settings) if settings.journal.read_only else settings)


def may_act(settings: Settings) -> bool:
    """Whether a console with these settings can act at all."""
    return not (settings.journal.read_only or settings.actions.observe)


def powerless(settings: Settings) -> Settings:
    """The same settings without what gives a right to change something; what only reads needs none of it."""
    api = msgspec.structs.replace(settings.api, cron_secret="", admin_token="")
    actions = msgspec.structs.replace(settings.actions, observe=True)
    return msgspec.structs.replace(settings, api=api, actions=actions)


def mask_url(url: str) -> str:
    """The address with its password, and any parameter's value, replaced by ***."""
    head, at, rest = url.rpartition("@")
    if at:
        scheme, _, login = head.partition("://")
        head = f"{scheme}://{login.partition(':')[0]}:***"
    place, question, query = rest.partition("?")
    known = ("schema", "sslmode", "pgbouncer", "connection_limit", "application_name")
    shown = "&".join(
        part if part.partition("=")[0] in known else part.partition("=")[0] + "=***" for part in query.split("&")
    )
    return head + at + place + (question + shown if question else "")


def _convert(document: dict[str, Any], origin: Callable[[str], str]) -> Settings:
    """Check names and types; `origin` says for a key where its value came from."""
    try:
        return msgspec.convert(document, Settings, strict=True)
    except msgspec.ValidationError as error:
        text, _, place = str(error).replace("`", "").partition(" - at $")
        key = place.lstrip(".")
        if text.startswith("Object contains unknown field "):
            name = text.removeprefix("Object contains unknown field ")
            key = f"{key}.{name}".lstrip(".")
            text = f"there is no such key{did_you_mean(key, _flatten(msgspec.to_builtins(Settings())))}"
        elif text.startswith("Invalid enum value"):
            near = did_you_mean(text.partition("'")[2].partition("'")[0], CHOICES[key])
            text = f"{text[0].lower()}{text[1:]}, expected one of {', '.join(CHOICES[key])}{near}"
        raise SettingsError(f"{origin(key)}: {key or 'top level'}: {text[0].lower()}{text[1:]}") from error


def _check_url(key: str, url: str, origin: str) -> None:
    """Catch early what can't be an address; the sources parse the rest."""
    schemes = {
        "postgres.url": ("postgres", "postgresql"),
        "redis.url": (
            "redis",
            "rediss",
            "https",
            "http",
            "redis+sentinel",
            "rediss+sentinel",
            "redis+cluster",
            "rediss+cluster",
            "unix",
        ),
        "warroom.redis_url": ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "unix"),
        "docker.host": ("unix", "tcp", "http", "https", "ssh"),
    }.get(key, ("http", "https"))
    given = url.strip().partition("://")
    if key == "postgres.url" and not given[1] and "=" in url:  # libpq's `host=... dbname=...`
        return
    if url and (given[0].lower() not in schemes or not given[1]):
        if url.strip()[:1] in ("'", '"'):
            raise SettingsError(f"{origin}: {key}: remove the quotes around the address, an env file keeps them")
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        raise SettingsError(f"{origin}: {key}: expected an address that begins with {expected}")


def _check_value(key: str, value: Any, origin: str) -> None:
    """Catch what has the right type and makes no sense."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0 or (value == 0 and key.endswith(("timeout_s", "window_s", "trend_s"))):
            raise SettingsError(f"{origin}: {key}: expected a number above 0, got {value}")
        least, most = BOUNDS.get(key, (0.0, math.inf))
        if not least <= value <= most:
            raise SettingsError(f"{origin}: {key}: expected {least:g} to {most:g}, got {value}")
    if key == "docker.host" and value not in ("", AS_DOCKER):
        _check_url(key, value, origin)
        if "@" in value and ":" in value.partition("://")[2].rpartition("@")[0]:
            raise SettingsError(f"{origin}: {key}: a password is not taken here: use a key, or an agent")
    if key == "signals":
        own_signals.check(value, origin)
    if key.startswith("notify."):
        notify.check(key, value, origin)
    if key == "providers.status_pages":
        for provider, url in value.items():
            _check_url(f"{key}.{provider}", url, origin)
    if key == "severity.alerts":
        for label, level in value.items():
            if level not in SEVERITIES:
                raise SettingsError(f"{origin}: {key}.{label}: expected one of {', '.join(SEVERITIES)}, got {level}")


def _leaves(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in table.items():
        leaves |= _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return leaves


def _flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every leaf by its dotted key; tables of free keys (headers, alerts) are leaves."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        key = prefix + name
        if isinstance(value, dict) and key not in FREE:
            flat |= _flatten(value, key + ".")
        else:
            flat[key] = value
    return flat


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *tables, name = key.split(".")
        place = nested
        for table in tables:
            place = place.setdefault(table, {})
        place[name] = value
    return nested


def _masked(key: str, value: Any) -> Any:
    """The value without its secrets. Any address may hold a login; libpq's words (`password=...`) are hidden whole."""
    if key in notify.WITH_SECRETS:
        return notify.masked(value)
    if key in URLS and value and ("://" in value or key not in SECRETS):
        return mask_url(value)
    return "***" if key in SECRETS and value else value


def _as_text(key: str, value: Any) -> str:
    """JSON; addresses and masks stand without quotes."""
    return value if value and (key in URLS or key in SECRETS) else msgspec.json.encode(value).decode()
