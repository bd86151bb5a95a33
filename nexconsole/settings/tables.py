"""The settings' tables: every key is a field, with its unit and default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from .. import themes
from .notify import NotifySettings
from .roles import RoleSettings
from .rules import (
    BalanceRules,
    ChangesSettings,
    CircuitRules,
    FunnelRules,
    IntegrityRules,
    OutboxRules,
    ReservationRules,
    SeverityRules,
    SlotRules,
    TransactionRules,
)
from .table import SettingsTable

THEMES = themes.names()
if TYPE_CHECKING:
    Theme = str
else:
    Theme = Literal[THEMES]
Motion = Literal["auto", "on", "off"]
Glyphs = Literal["auto", "full", "console", "ascii"]
LogLevel = Literal["debug", "info", "warning", "error"]


IN_CLUSTER, AS_KUBECTL, NO_CLUSTER = "in-cluster", "as-kubectl", "none"  # what kubernetes.kubeconfig may be but a path
AS_DOCKER = "as-docker"  # what docker.host may be but an address, and "none"

LOCK_FAMILIES = {
    "purchase": "lock:purchase:*",
    "number": "lock:number:*",
    "candidate": "lock:candidate:*",
    "rebalance": "lock:rebalance:active-numbers",
    "reconcile": "NexNum:Lock:Reconcile",
    "poll": "poll:lock:*",
}


class PostgresSettings(SettingsTable):
    url: str = ""  # DATABASE_URL, as NexNum has it: Prisma's and the poolers' parameters are understood
    connect_timeout_s: float = 3.0  # for connecting, TLS and login
    statement_timeout_s: float = 2.5  # for one statement; the server ends it then
    ca_file: str = ""  # for sslmode=verify-ca and verify-full


class RedisSettings(SettingsTable):
    url: str = ""  # REDIS_URL: redis://, rediss://, redis+sentinel://, redis+cluster://, or Upstash's https://
    token: str = ""  # UPSTASH_REDIS_REST_TOKEN, for an https:// address
    timeout_s: float = 2.0  # for connecting, and for one answer
    ca_file: str = ""  # the authority's certificate (PEM); empty: the system's authorities


class Expressions(SettingsTable):
    """PromQL; `{window}` is replaced by the window, as in `300s`. Rates are per provider (nexnum.md#one-or-all)."""

    # attempts to buy a number, per provider
    attempts: str = 'sum by (provider) (increase(nexnum_provider_api_calls_total{method="getNumber"}[{window}]))'
    # attempts that failed, per provider
    failures: str = (
        'sum by (provider) (increase(nexnum_provider_api_calls_total{method="getNumber",status="error"}[{window}]))'
    )
    # the 95th percentile of a provider's answer, in seconds
    latency_p95: str = (
        "histogram_quantile(0.95, sum by (le) "
        '(rate(nexnum_purchase_duration_seconds_bucket{stage="provider_call"}[{window}])))'
    )
    # the purchase route's answers by HTTP status; "": not asked for (nexnum.md#metrics-head)
    answers: str = (
        'sum by (status_code) (increase(nexnum_http_requests_total{route="/api/numbers/purchase"}[{window}]))'
    )
    # attempts in a minute, for the chart
    trend_attempts: str = 'sum(increase(nexnum_provider_api_calls_total{method="getNumber"}[1m]))'
    # failures in a minute, for the chart
    trend_failures: str = 'sum(increase(nexnum_provider_api_calls_total{method="getNumber",status="error"}[1m]))'
    database_cpu: str = ""  # the share of the database's CPU that is used, 0..1; empty: people look it up


class PrometheusSettings(SettingsTable):
    url: str = ""  # PROMETHEUS_URL; for Mimir and Thanos with their path prefix
    bearer: str = ""  # a token, sent as Authorization: Bearer
    username: str = ""  # for basic authentication
    password: str = ""  # for basic authentication
    headers: dict[str, str] = msgspec.field(default_factory=dict)  # such as X-Scope-OrgID
    ca_file: str = ""  # the authority's certificate (PEM); empty: the system's authorities
    timeout_s: float = 3.0  # for one request
    expressions: Expressions = Expressions()
    latency_top_bucket_s: float = 10.0  # at or above it the 95th percentile is "at least" (nexnum.md#metrics-old)


class KubernetesSettings(SettingsTable):
    # KUBECONFIG; "in-cluster": the pod's own account; "as-kubectl": ~/.kube/config, else the pod's own account (this is
    # what it is by itself where one of them is there); "none": no cluster
    kubeconfig: str = ""
    context: str = ""  # empty: the kubeconfig's current one
    namespace: str = ""  # empty: the context's, else "default"
    deployment: str = "nexnum-app"  # NexNum's Deployment
    selector: str = ""  # empty: the deployment's own
    container: str = ""  # empty: the one of the annotation kubectl.kubernetes.io/default-container, else the first
    autoscaler: str = ""  # empty: the one that targets the deployment
    timeout_s: float = 3.0  # for one request
    plugin_timeout_s: float = 15.0  # a credential plugin of the kubeconfig is ended after so long
    follow_pods: int = 50  # at most so many pods' logs are followed; the rest are counted
    log_since_s: int = 900  # at the start, logs are read from so long ago
    log_tail_lines: int = 2000  # and at most so many lines of each pod
    secret: str = "nexnum-secrets"  # the Secret that holds DATABASE_URL
    database_from_secret: bool = False  # take DATABASE_URL from the Secret where none is set


class DockerSettings(SettingsTable):
    """NexNum in containers of Docker Compose (nexnum.md#deployment): in the place of Kubernetes, where it is set."""

    # DOCKER_HOST, where no cluster is named: unix:///path, tcp://host:2376, ssh://user@host; "as-docker":
    # /var/run/docker.sock (this is what it is by itself where that is there and nothing of Kubernetes is); "none"
    host: str = ""
    cert_path: str = ""  # DOCKER_CERT_PATH: the folder with ca.pem, cert.pem and key.pem, for tcp://
    tls_verify: bool = False  # DOCKER_TLS_VERIFY: speak TLS over tcp://, and check the certificate
    project: str = ""  # the Compose project; empty: the app service's
    app: str = "nexnum-app"  # the service that sells
    worker: str = "nexnum-worker"  # the service of the background work; empty: there is none
    timeout_s: float = 3.0  # for one request
    connect_timeout_s: float = 8.0  # for a connection over ssh, which logs in each time
    stop_s: int = 10  # how long a container has to end before it is killed, where it is restarted
    follow_containers: int = 50  # at most so many containers' logs are followed; the rest are counted
    log_since_s: int = 900  # at the start, logs are read from so long ago
    log_tail_lines: int = 2000  # and at most so many lines of each container


class ApiSettings(SettingsTable):
    url: str = ""  # API_URL
    cron_secret: str = ""  # CRON_SECRET
    admin_token: str = ""  # an admin's JWT, for the admin API (sent as bearer and as the cookie `token`)
    # for what stands before it, such as CF-Access-Client-Id
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    timeout_s: float = 3.0  # for one request
    ca_file: str = ""  # the authority's certificate (PEM); empty: the system's authorities


class SearchSettings(SettingsTable):
    url: str = ""  # MEILISEARCH_HOST or MEILI_HOST: Meilisearch, asked for /health; host:port is taken as http://
    timeout_s: float = 3.0  # for one request
    ca_file: str = ""  # the authority's certificate (PEM); empty: the system's authorities


class ProvidersSettings(SettingsTable):
    """What is known of the providers besides what NexNum knows."""

    # a provider's name -> its own status page: JSON, a feed, or a page with a title
    status_pages: dict[str, str] = msgspec.field(default_factory=dict)
    status_timeout_s: float = 5.0  # each page is fetched once a minute


class ActionsSettings(SettingsTable):
    observe: bool = False  # this console can't act
    plan_expires_s: float = 60.0  # an older plan is prepared again
    timeout_s: float = 10.0  # for the one exchange that changes something
    reading_limit_s: float = 30.0  # a reading that justifies an action may not be older
    provider_cache_s: float = 60.0  # a change of a provider takes effect within; 30 in the newest (nexnum.md#disabling)
    provider_by: Literal["auto", "api", "sql"] = "auto"  # auto: the admin API where a token is set, else SQL
    typed_above: int = 20  # more targets than this are confirmed by typing
    verify_s: float = 90.0  # how long a verdict may watch
    # `run --confirm` without a terminal, as from cron or CI; counts only in this account's usual settings file, or in
    # one that another account owns, never in one that was named by --config or NEXCONSOLE_CONFIG and is its own
    confirm_without_terminal: bool = False


class AgentsSettings(SettingsTable):
    """What `nexconsole mcp` lets an agent propose. A person confirms it in a console, or nothing is sent."""

    proposal_s: float = 900.0  # how long a proposal waits for a person; then it is gone
    most_open: int = 3  # proposals of all agents that may wait at once
    a_minute: int = 6  # and that may be made within a minute


class LocksSettings(SettingsTable):
    """Families of lock keys by name (nexnum.md#locks, #keys). `never` is never deleted, whatever a family's pattern
    says.
    """

    # a family's name -> the pattern of its keys
    families: dict[str, str] = msgspec.field(default_factory=lambda: dict(LOCK_FAMILIES))
    # patterns of keys that are never deleted
    never: tuple[str, ...] = (
        "idem:*",
        "app:settings",
        "index:polling",
        "nexnum:orders:*",
        "cache:*",
        "auth:*",
        "webhook:*",
        "spend:*",
        "bull:*",
        "health:*",
    )
    older_than_s: int = 300  # by default only keys without TTL, or older than this, are chosen
    watch: tuple[str, ...] = ("purchase", "number")  # the families that keep customers out: the console counts them
    batch: int = 100  # so many keys are deleted at a time


class AlertmanagerSettings(SettingsTable):
    url: str = ""  # Alertmanager; empty: alerts come from Prometheus, and nothing can be silenced
    bearer: str = ""  # a token, sent as Authorization: Bearer
    username: str = ""  # for basic authentication
    password: str = ""  # for basic authentication
    headers: dict[str, str] = msgspec.field(default_factory=dict)  # such as X-Scope-OrgID
    ca_file: str = ""  # the authority's certificate (PEM); empty: the system's authorities
    timeout_s: float = 3.0  # for one request
    silence_s: int = 3600  # how long a silence lasts where nothing is said


class JournalSettings(SettingsTable):
    folder: str = ""  # shared by the consoles of one host; empty: the XDG state folder of the account
    lock_timeout_s: float = 3.0  # how long an entry may wait for another console's
    read_only: bool = False  # this console only watches: it writes no entry


class IdentitySettings(SettingsTable):
    """What proves who wrote an entry: the account that owns the file, and an SSH key through the operator's agent."""

    # "auto": what people do is signed where a key or allowed signers are set; "always": what can't be signed is not
    # written, and nothing is done; "never"
    sign: Literal["auto", "always", "never"] = "auto"
    key: str = ""  # a public key's file, or its fingerprint SHA256:...; empty: the first key of the agent
    sign_timeout_s: float = 10.0  # how long a key may take: one on a token waits to be touched
    allowed_signers: str = (
        ""  # a file as in ssh-keygen(1): whose keys are whose; principals are ACCOUNT@HOST or ACCOUNT
    )
    require_signatures: bool = False  # entries of others that are not signed are shown and count for nothing
    shared_accounts: tuple[str, ...] = ()  # several people use them: the principal is the operator's name there


class WarRoomSettings(SettingsTable):
    """Working on one incident together: how entries reach other hosts, and what needs the others' silence or word."""

    redis_url: str = ""  # the Redis that carries incidents between hosts; empty: only the consoles of this folder
    redis_ca_file: str = ""  # the authority's certificate (PEM); empty: the system's authorities
    stream_entries: int = 20_000  # so many entries are kept in an incident's stream, at most
    stream_days: int = 14  # and for so long after the newest
    presence_s: float = 15.0  # who was not heard of for so long is not here
    lease_s: float = 30.0  # how long a target stays reserved for a console that is not heard of any more
    objection_s: float = 10.0  # how long others may object before an action with a large blast radius; 0: no window
    # the actions with a large blast radius
    objection_actions: tuple[str, ...] = (
        "provider.disable",
        "pods.restart",
        "deployment.scale",
        "rollout.undo",
        "reconcile.run",
    )
    objection_targets: int = 20  # an action on more targets than this opens the window too
    approval_actions: tuple[str, ...] = ()  # these wait for a second person's approval
    approval_s: float = 120.0  # and for so long


class SignalSettings(SettingsTable):
    """A signal of the team's own, `[signals.NAME]`: one number, by PromQL or by SQL. Its name is a probe's too."""

    promql: str = ""  # gives one series
    sql: str = ""  # one SELECT that gives one row of one column; it is run like ours: read-only, bounded in time
    title: str = ""  # empty: the name
    unit: str = ""  # "ratio": 0..1, shown in percent; "seconds"; or the word to show behind the number
    # "SEV-1", "SEV-2" or "SEV-3" -> the limit of that level
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    worse: str = "above"  # the limits are passed "above" or "below" them
    every_s: float = 10.0  # how often it is read


class RecordingSettings(SettingsTable):
    """Readings kept beside an incident's journal, for replay."""

    every_s: float = 2.0  # at most one reading of a signal in so many seconds; 0: nothing is recorded
    limit_mb: float = 20.0  # an incident's recording stops growing there


class RecorderSettings(SettingsTable):
    """The flight record: what every console keeps of the last hours, incident or not."""

    enabled: bool = True  # false: nothing is kept but what an incident records
    file: str = ""  # empty: one a NexNum, in the folder flight of the XDG state folder
    hours: float = 48.0  # what is older is dropped
    limit_mb: float = 120.0  # the file does not grow over it: the oldest is dropped sooner
    every_s: float = 10.0  # one reading of a signal, and one point of each figure, in so many seconds


class BreakGlassSettings(SettingsTable):
    """What the sheet for the worst hour holds beside the readings: who to call, where to look."""

    file: str = ""  # where it is kept; empty: break-glass.txt in the XDG state folder
    contacts: dict[str, str] = msgspec.field(default_factory=dict)  # role or name -> how to reach them
    links: dict[str, str] = msgspec.field(default_factory=dict)  # what -> address


class Settings(SettingsTable):
    environment: str = "production"  # shown in the frame; "drill" in a drill
    name: str = ""  # which installation, such as nexnum-eu
    profile: str = (
        ""  # which [profiles.NAME] lies over the other keys, where neither --profile nor NEXCONSOLE_PROFILE says
    )
    operator: str = ""  # empty: the account's name
    theme: Theme = "dark"  # the colours; `t` changes them while it runs
    motion: Motion = "auto"  # auto: off over SSH
    glyphs: Glyphs = "auto"  # full, console (a font of 256 characters) or ascii; auto: by TERM and the locale
    mouse: bool = True  # clicks and the wheel; false: the terminal selects text without a modifier key
    log_level: LogLevel = "info"  # what the program's own log tells
    runbooks: str = ""  # a folder of the team's own runbooks: Markdown files that add or replace scenarios and causes
    postgres: PostgresSettings = PostgresSettings()
    redis: RedisSettings = RedisSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    docker: DockerSettings = DockerSettings()
    api: ApiSettings = ApiSettings()
    search: SearchSettings = SearchSettings()
    providers: ProvidersSettings = ProvidersSettings()
    transactions: TransactionRules = TransactionRules()
    funnel: FunnelRules = FunnelRules()
    circuits: CircuitRules = CircuitRules()
    reservations: ReservationRules = ReservationRules()
    outbox: OutboxRules = OutboxRules()
    slots: SlotRules = SlotRules()
    balances: BalanceRules = BalanceRules()
    integrity: IntegrityRules = IntegrityRules()
    changes: ChangesSettings = ChangesSettings()
    severity: SeverityRules = SeverityRules()
    actions: ActionsSettings = ActionsSettings()
    agents: AgentsSettings = AgentsSettings()
    locks: LocksSettings = LocksSettings()
    alertmanager: AlertmanagerSettings = AlertmanagerSettings()
    journal: JournalSettings = JournalSettings()
    identity: IdentitySettings = IdentitySettings()
    signals: dict[str, SignalSettings] = msgspec.field(default_factory=dict)
    warroom: WarRoomSettings = WarRoomSettings()
    notify: NotifySettings = NotifySettings()
    roles: RoleSettings = RoleSettings()
    recording: RecordingSettings = RecordingSettings()
    recorder: RecorderSettings = RecorderSettings()
    break_glass: BreakGlassSettings = BreakGlassSettings()
    keys: dict[str, str] = msgspec.field(default_factory=dict)  # a binding's id -> its keys, by comma; "": none

    @property
    def place(self) -> str:
        """Which NexNum this is, for people: `PRODUCTION nexnum-eu`, and the profile where that has another name."""
        profile = f"profile {self.profile}" if self.profile not in ("", self.name) else ""
        return " ".join(filter(None, (self.environment.upper(), self.name, profile)))

    @property
    def database_origin(self) -> str:
        """Where the database's address is looked up, for people; "" where it is not looked up."""
        cluster = self.kubernetes
        if self.postgres.url or not (cluster.kubeconfig and cluster.database_from_secret):
            return ""
        if not cluster.namespace:
            return f"DATABASE_URL of the Secret {cluster.secret} in the context's namespace"
        return f"DATABASE_URL of the Secret {cluster.namespace}/{cluster.secret}"
