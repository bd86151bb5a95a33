"""Settings: a TOML file, over it the environment that NexNum people already have, over it flags.

Every key is a field below, with its unit and its default; unknown keys and wrong types are refused
with file and key. A secret (`SECRETS`) may be given as `{ command = ["pass", "show", "nexnum/db"] }`.
"""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from . import paths
from .errors import SettingsError

SECRET_COMMAND_TIMEOUT_S = 30.0
Theme = Literal["dark", "light", "high-contrast", "colour-blind"]
Motion = Literal["auto", "on", "off"]
LogLevel = Literal["debug", "info", "warning", "error"]


LOCK_FAMILIES = {
    "purchase": "lock:purchase:*",
    "number": "lock:number:*",
    "candidate": "lock:candidate:*",
    "rebalance": "lock:rebalance:active-numbers",
    "reconcile": "NexNum:Lock:Reconcile",
    "poll": "poll:lock:*",
}


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table that refuses keys it does not know."""


class Postgres(Table):
    url: str = ""  # DATABASE_URL, as NexNum has it: Prisma's and the poolers' parameters are understood
    connect_timeout_s: float = 3.0
    statement_timeout_s: float = 2.5
    ca_file: str = ""  # for sslmode=verify-ca and verify-full


class Redis(Table):
    url: str = ""  # REDIS_URL: redis://, rediss://, redis+sentinel://, redis+cluster://, or Upstash's https://
    token: str = ""  # UPSTASH_REDIS_REST_TOKEN, for an https:// address
    timeout_s: float = 2.0
    ca_file: str = ""


class Expressions(Table):
    """PromQL; `{window}` is replaced by the window, as in `300s`. Rates are per provider (facts 2.5)."""

    attempts: str = 'sum by (provider) (increase(nexnum_provider_api_calls_total{method="getNumber"}[{window}]))'
    failures: str = (
        'sum by (provider) (increase(nexnum_provider_api_calls_total{method="getNumber",status="error"}[{window}]))'
    )
    latency_p95: str = (
        "histogram_quantile(0.95, sum by (le) "
        '(rate(nexnum_purchase_duration_seconds_bucket{stage="provider_call"}[{window}])))'
    )
    trend_attempts: str = 'sum(increase(nexnum_provider_api_calls_total{method="getNumber"}[1m]))'
    trend_failures: str = 'sum(increase(nexnum_provider_api_calls_total{method="getNumber",status="error"}[1m]))'


class Prometheus(Table):
    url: str = ""  # PROMETHEUS_URL; for Mimir and Thanos with their path prefix
    bearer: str = ""
    username: str = ""
    password: str = ""
    headers: dict[str, str] = {}  # such as X-Scope-OrgID
    ca_file: str = ""
    timeout_s: float = 3.0
    expressions: Expressions = Expressions()
    latency_top_bucket_s: float = 10.0  # at or above it the 95th percentile is "at least" (facts 2.1)


class Kubernetes(Table):
    kubeconfig: str = ""  # KUBECONFIG; "in-cluster" for the pod's own account
    context: str = ""
    namespace: str = "default"
    deployment: str = "nexnum-app"
    selector: str = ""  # empty: the deployment's own
    container: str = ""  # empty: the deployment's first
    autoscaler: str = ""  # empty: the one that targets the deployment
    timeout_s: float = 3.0
    follow_pods: int = 50  # at most so many pods' logs are followed; the rest are counted
    log_since_s: int = 900
    log_tail_lines: int = 2000
    secret: str = "nexnum-secrets"
    database_from_secret: bool = False  # take DATABASE_URL from the Secret where none is set


class Api(Table):
    url: str = ""  # API_URL
    cron_secret: str = ""  # CRON_SECRET
    admin_token: str = ""  # an admin's JWT, for the admin API (sent as bearer and as the cookie `token`)
    timeout_s: float = 3.0
    ca_file: str = ""


class TransactionRules(Table):
    window_s: int = 300
    trend_s: int = 1800
    few: int = 20  # fewer attempts than this are too few to judge by
    provider_few: int = 5  # a provider with fewer attempts is not judged on its own
    provider_failing: float = 0.2  # a provider's failure rate, 0..1, from which it counts as failing
    one_share: float = 0.8  # the share of all failures at one provider that makes the verdict "one"
    disagreement: float = 0.1  # Prometheus and Postgres may differ by this much, 0..1


class CircuitRules(Table):
    cooldown_s: float = 30.0  # a pod's own breaker; 15 in the oldest installs (facts 3.1)
    flapping: int = 3  # opened so often ...
    flapping_window_s: int = 600  # ... within so many seconds
    ignore: tuple[str, ...] = ("GeminiPool",)  # breakers that are not SMS providers


class ReservationRules(Table):
    stuck_after_s: int = 300  # RESERVED for longer is stuck; 600 for the newest worker (facts 1.5)
    limit: int = 50  # the runbook's
    alert_limit: int = 5  # the alert rule's


class OutboxRules(Table):
    stuck_after_s: int = 180  # the oldest pending event is late from here on; 60 for the 5 s loop (facts 1.4)
    count_limit: int = 10_000  # counts stop here and are shown as "10 000+"


class SeverityRules(Table):
    critical_rate: float = 0.10  # SEV-1 above it
    high_rate: float = 0.05  # SEV-2 above it
    latency_s: float = 5.0  # SEV-2 above it
    alerts: dict[str, str] = msgspec.field(
        default_factory=lambda: {"critical": "SEV-2", "warning": "SEV-3"}
    )  # an alert's severity label -> ours
    runbook_alerts: tuple[str, ...] = ("HighPurchaseFailureRate", "StuckReservations", "OutboxProcessingFailed")


class Actions(Table):
    observe: bool = False  # this console can't act at all
    plan_expires_s: float = 60.0  # an older plan is prepared again
    timeout_s: float = 10.0  # for the one exchange that changes something
    reading_limit_s: float = 30.0  # a reading that justifies an action may not be older
    provider_cache_s: float = 60.0  # a change of a provider takes effect within; 30 in the newest (facts, 16)
    provider_by: Literal["auto", "api", "sql"] = "auto"  # auto: the admin API where a token is set, else SQL
    typed_above: int = 20  # more targets than this are confirmed by typing
    verify_s: float = 90.0  # how long a verdict may watch


class Locks(Table):
    """Families of lock keys by name (facts 4). `never` is never deleted, whatever a family's pattern says."""

    families: dict[str, str] = msgspec.field(default_factory=lambda: dict(LOCK_FAMILIES))
    never: tuple[str, ...] = ("idem:*", "app:settings", "index:polling", "nexnum:orders:*", "cache:*", "auth:*",
                              "webhook:*", "spend:*", "bull:*", "health:*")  # fmt: skip
    older_than_s: int = 300  # by default only keys without TTL, or older than this, are chosen
    batch: int = 100


class Alertmanager(Table):
    url: str = ""
    bearer: str = ""
    username: str = ""
    password: str = ""
    ca_file: str = ""
    timeout_s: float = 3.0
    silence_s: int = 3600  # how long a silence lasts where nothing is said


class Journal(Table):
    folder: str = ""  # shared by the consoles of one host; empty: the XDG state folder of the account
    lock_timeout_s: float = 3.0  # how long an entry may wait for another console's


class Settings(Table):
    environment: str = "production"  # shown in the frame; "drill" in a drill
    name: str = ""  # which installation, such as nexnum-eu
    operator: str = ""  # empty: the account's name
    theme: Theme = "dark"
    motion: Motion = "auto"  # auto: off over SSH
    log_level: LogLevel = "info"
    runbooks: str = ""  # a folder of the team's own runbooks: Markdown files that add or replace scenarios
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    prometheus: Prometheus = Prometheus()
    kubernetes: Kubernetes = Kubernetes()
    api: Api = Api()
    transactions: TransactionRules = TransactionRules()
    circuits: CircuitRules = CircuitRules()
    reservations: ReservationRules = ReservationRules()
    outbox: OutboxRules = OutboxRules()
    severity: SeverityRules = SeverityRules()
    actions: Actions = Actions()
    locks: Locks = Locks()
    alertmanager: Alertmanager = Alertmanager()
    journal: Journal = Journal()


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
}
CHOICES = {"theme": get_args(Theme), "motion": get_args(Motion), "log_level": get_args(LogLevel),
           "actions.provider_by": ("auto", "api", "sql")}  # fmt: skip
SECRETS = frozenset(
    {"postgres.url", "redis.url", "redis.token", "prometheus.bearer", "prometheus.password", "prometheus.headers",
     "api.cron_secret", "api.admin_token", "alertmanager.bearer", "alertmanager.password"}
)  # fmt: skip
URLS = frozenset({"postgres.url", "redis.url", "prometheus.url", "api.url", "alertmanager.url"})


@dataclass(frozen=True)
class Loaded:
    """The effective settings, and for each key ("postgres.url") that isn't the default where it came from."""

    settings: Settings
    origins: Mapping[str, str]

    def lines(self) -> list[tuple[str, str, str]]:
        """(key, value as text with secrets masked, origin) for every key, in the order of the fields."""
        flat = _flatten(msgspec.to_builtins(self.settings))
        return [(key, _shown(key, value), self._origin(key)) for key, value in flat.items()]

    def _origin(self, key: str) -> str:
        return self.origins.get(key, "default")


def load(
    config: str | None = None, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Loaded:
    """Read the settings file, lay the environment over it and the flags over that.

    `config` is --config's path; without it NEXCONSOLE_CONFIG, else the XDG place, which may be absent.
    Raises SettingsError with file (or variable, or flag) and key.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = config or environ.get("NEXCONSOLE_CONFIG")
    file = Path(path) if path else paths.config_file()
    if path or file.exists():
        document = _read_toml(file)
        _run_secret_commands(document, str(file))
        _convert(document, lambda key: str(file))
        values = _flatten(document)
        origins = dict.fromkeys(values, str(file))
    for variable, key in ENVIRONMENT.items():
        if value := environ.get(variable):
            values[key], origins[key] = value, variable
    for key, value in (flags or {}).items():
        if value is not None:
            values[key], origins[key] = value, "flag"
    settings = _convert(_nest(values), lambda key: origins.get(key, "the settings"))
    for key in URLS:
        _check_url(key, values.get(key, ""), origins.get(key, ""))
    return Loaded(settings, origins)


def named(settings: Settings) -> Settings:
    """The same settings with an operator: who sits here is the account (the one behind sudo), where nothing is said."""
    account = os.environ.get("SUDO_USER") or getpass.getuser()
    operator = settings.operator or f"{account}@{socket.gethostname()}"
    return msgspec.structs.replace(settings, operator=operator)


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


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from error


def _run_secret_commands(document: dict[str, Any], origin: str) -> None:
    """Replace `{ command = [...] }` at a secret's place by the first line that the command prints."""
    for key in SECRETS:
        table, _, name = key.partition(".")
        section = document.get(table)
        given = section.get(name) if isinstance(section, dict) else None
        if isinstance(given, dict) and set(given) == {"command"}:
            section[name] = _output(given["command"], f"{origin}: {key}")


def _output(command: Any, where: str) -> str:
    if not (isinstance(command, list) and command and all(isinstance(word, str) for word in command)):
        raise SettingsError(f'{where}: command must be a list of words, such as ["pass", "show", "nexnum/db"]')
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECRET_COMMAND_TIMEOUT_S
        )
    except OSError as error:
        raise SettingsError(f"{where}: the command {command[0]} can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"{where}: the command {command[0]} took over {SECRET_COMMAND_TIMEOUT_S:g} s") from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[0].strip():
        said = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise SettingsError(f"{where}: the command {command[0]} failed with {done.returncode}: {said}")
    return lines[0].strip()


def _convert(document: dict[str, Any], origin: Callable[[str], str]) -> Settings:
    """Check names and types; `origin` says for a key where its value came from."""
    try:
        return msgspec.convert(document, Settings, strict=True)
    except msgspec.ValidationError as error:
        text, _, place = str(error).replace("`", "").partition(" - at $")
        key = place.lstrip(".")
        if text.startswith("Object contains unknown field "):
            name = text.removeprefix("Object contains unknown field ")
            key, text = f"{key}.{name}".lstrip("."), "there is no such key"
        elif text.startswith("Invalid enum value"):
            text = f"{text[0].lower()}{text[1:]}, expected one of {', '.join(CHOICES[key])}"
        raise SettingsError(f"{origin(key)}: {key or 'top level'}: {text[0].lower()}{text[1:]}") from error


def _check_url(key: str, url: str, origin: str) -> None:
    """Catch early what can't be an address; the sources parse the rest."""
    schemes = {
        "postgres.url": ("postgres", "postgresql"),
        "redis.url": ("redis", "rediss", "https", "http", "redis+sentinel", "rediss+sentinel", "redis+cluster",
                      "rediss+cluster", "unix"),
    }.get(key, ("http", "https"))  # fmt: skip
    if url and (urlsplit(url).scheme not in schemes or "://" not in url):
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        raise SettingsError(f"{origin}: {key}: expected an address that begins with {expected}")


def _flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every leaf by its dotted key; tables of free keys (headers, alerts) are leaves."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        key = prefix + name
        if isinstance(value, dict) and key not in ("prometheus.headers", "severity.alerts", "locks.families"):
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


def _shown(key: str, value: Any) -> str:
    if key in SECRETS and value:
        return mask_url(value) if key in URLS else "***"
    return msgspec.json.encode(value).decode()
