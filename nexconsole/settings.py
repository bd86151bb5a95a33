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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from . import paths
from .errors import SettingsError

SECRET_COMMAND_TIMEOUT_S = 30.0


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


class Settings(Table):
    environment: str = "production"  # shown in the frame; "drill" in a drill
    name: str = ""  # which installation, such as nexnum-eu
    operator: str = ""  # empty: the account's name
    theme: Literal["dark", "light", "high-contrast", "colour-blind"] = "dark"
    motion: Literal["auto", "on", "off"] = "auto"  # auto: off over SSH
    log_level: Literal["debug", "info", "warning", "error"] = "info"
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
