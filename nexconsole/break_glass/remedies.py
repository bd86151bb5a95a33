"""The sheet's remedies: shell commands for each emergency, with their targets filled in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from ..actions import (
    backends,
    cron,
    deployments,
    locks,
    outbox_worker,
    pods,
    providers,
    reconcile,
    refunds,
    rollback,
    shell_commands,
)
from ..actions.by_hand import SQL_WIDTH, ByHand, CommandContext, CommandStep, EmergencyCommand, with_redis
from ..actions.cron import CronRoute
from ..actions.provider_rows import ProviderTable, circuit_of, table_of
from ..actions.registry import ACTIONS
from ..errors import SourceError
from ..model import value_of
from ..signals.database import Database
from ..signals.workloads_value import Workloads
from ..sources import cluster_access
from ..sources.api import PING_PATH
from ..text.units import period

if TYPE_CHECKING:
    from ..settings import Settings

WIDTH = 76
COMMANDS_KEPT = 300  # on their lines; most of them stay as they are
_BREAK = " \\\n  "
ADDRESSES = {"postgres": "DATABASE_URL", "redis": "REDIS_URL", "prometheus": "PROMETHEUS_URL", "api": "API_URL"}
BLOCKING_SQL = (
    "SELECT a.pid, a.backend_start, a.usename, a.application_name, a.state, now() - a.xact_start AS since,"
    " count(*) AS blocks FROM pg_stat_activity a JOIN pg_stat_activity b ON a.pid = ANY (pg_blocking_pids(b.pid))"
    " WHERE b.wait_event_type = 'Lock' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY blocks DESC LIMIT 20"
)
PROVIDERS_SQL = "SELECT id, name, {flag} FROM {schema}.providers ORDER BY name"
OUTBOX_SQL = (
    "SELECT status, count(*), min(created_at) FROM {schema}.outbox_events_v2 WHERE status <> 'PUBLISHED' GROUP BY 1"
)


def emergency_commands(scene: CommandContext) -> tuple[EmergencyCommand, ...]:
    """Every remedy. An unknown target is a placeholder in capitals."""
    own = (action.emergency(scene) for action in ACTIONS.values() if isinstance(action, ByHand))
    return (*(make(scene) for make in MAKES), *own)


@lru_cache(maxsize=COMMANDS_KEPT)
def laid_out(command: str) -> str:
    """The command on lines of 80 columns; pasted, it is the same command."""
    return shell_commands.folded(command.strip(), WIDTH - 2, _BREAK)


def _in(scene: CommandContext) -> EmergencyCommand:
    if scene.settings.docker.host:
        return _in_docker(scene)
    cluster = scene.settings.kubernetes

    def secret(name: str) -> str:
        entry = scene.kubectl("get", "secret", cluster.secret, "-o", f"jsonpath={{.data.{name}}}")
        return f'export {name}="$({shell_commands.folded(entry, WIDTH - 30, _BREAK)} | base64 -d)"'

    deployment = f"deployment/{cluster.deployment}"
    return EmergencyCommand(
        "Ways in",
        ("The variables are those of NexNum itself; where they are not set, the cluster's Secret has them.",),
        (
            CommandStep("the database's address from the Secret", secret("DATABASE_URL")),
            CommandStep("the cron routes' secret from the Secret", secret("CRON_SECRET")),
            CommandStep("the database", 'psql -X "${DATABASE_URL%%\\?*}"'),
            CommandStep("Redis", scene.redis()),
            CommandStep(
                "the API, where it has no address of its own",
                f"{scene.kubectl('port-forward', deployment, '3000:3000')} &\nexport API_URL=http://localhost:3000",
            ),
            CommandStep(
                "the newest log lines of all pods",
                scene.kubectl("logs", deployment, "--all-pods=true", "--since=10m", "--tail=200"),
            ),
        ),
    )


def _platform_answers(scene: CommandContext) -> CommandStep:
    if scene.settings.docker.host:
        return CommandStep("Docker answers, and its containers", shell_commands.docker(scene.settings, "ps", "-a"))
    command = scene.kubectl("get", "deployment,replicaset,pod,hpa", "-o", "wide")
    return CommandStep("the cluster answers, and its pods", command)


def _in_docker(scene: CommandContext) -> EmergencyCommand:
    app = scene.settings.docker.app
    names = [pod.name for pod in workloads.pods] if (workloads := _workloads(scene)) else []
    name = next((each for each in names if each.startswith(app)), app)

    def variable(key: str) -> str:
        return f'export {key}="$({shell_commands.docker(scene.settings, "exec", name, "printenv", key)})"'

    return EmergencyCommand(
        "Ways in",
        ("The variables are those of NexNum itself; where they are not set, its containers have them.",),
        (
            CommandStep("the database's address from a container", variable("DATABASE_URL")),
            CommandStep("the cron routes' secret from a container", variable("CRON_SECRET")),
            CommandStep("the database", 'psql -X "${DATABASE_URL%%\\?*}"'),
            CommandStep("Redis", scene.redis()),
            CommandStep(
                "the newest log lines", shell_commands.docker(scene.settings, "logs", "--since=10m", "--tail=200", name)
            ),
        ),
    )


def _workloads(scene: CommandContext) -> Workloads | None:
    return value_of(scene.readings, "workloads", Workloads)


def _health(scene: CommandContext) -> EmergencyCommand:
    prometheus = scene.settings.prometheus
    login = ("Authorization: Bearer $PROMETHEUS_BEARER",) if prometheus.bearer else ()
    return EmergencyCommand(
        "Is each of them there?",
        (),
        (
            CommandStep("Postgres answers", scene.psql("SELECT now(), pg_is_in_recovery()")),
            CommandStep("Redis answers PONG", scene.redis("PING")),
            CommandStep("the API answers 200", shell_commands.curl("GET", PING_PATH)),
            CommandStep(
                "Prometheus answers",
                shell_commands.curl("GET", "/api/v1/alerts", headers=login, server="$PROMETHEUS_URL"),
            ),
            _platform_answers(scene),
        ),
    )


def _provider(scene: CommandContext) -> EmergencyCommand:
    suggested = providers.DISABLE.suggestions(scene.readings, scene.settings)
    worst = max(suggested, key=lambda one: one.weight, default=None)
    name = worst.arguments["provider"] if worst else ""
    circuit = circuit_of(scene.readings, name) if name else None
    id = (circuit.id if circuit else None) or "PROVIDER_ID"
    known = table_of(scene.tables.get("providers", {}))
    table = known or ProviderTable(rows=(), column="is_active", now="now()")
    notes = [worst.title] if worst else ["No provider stands out in the readings: take the id from the list."]
    if name and id == "PROVIDER_ID":
        notes.append(f"The id of {name} was never read: take it from the list.")
    if known is None:
        notes.append('The table was never read: in some versions the column is "isActive".')
    cache = scene.settings.actions.provider_cache_s
    notes.append(
        f"It takes effect within {period(cache)}. Purchases are pinned to an offer's provider: its offers fail."
    )

    def change(switch: providers.SwitchProvider) -> str:
        return scene.psql(switch.sql(scene.schema, table, shell_commands.sql_text(id)))

    by_api = (
        [
            CommandStep(
                "disable it by the admin API instead: the newest versions take its offers off sale too",
                providers.DISABLE.by_api(id),
            ),
            CommandStep("and back by the admin API", providers.ENABLE.by_api(id)),
        ]
        if scene.settings.api.admin_token
        else []
    )
    listing = PROVIDERS_SQL.format(flag=table.flag, schema=shell_commands.sql_name(scene.schema))
    return EmergencyCommand(
        f"Disable the worst provider{f': {name}' if name else ''}",
        tuple(notes),
        (
            CommandStep("the list with ids", scene.psql(listing)),
            CommandStep(f"disable {name or 'it'}: one row must come back", change(providers.DISABLE)),
            CommandStep("and back", change(providers.ENABLE)),
            *by_api,
        ),
    )


def _session(scene: CommandContext) -> EmergencyCommand:
    database = value_of(scene.readings, "database", Database)
    found = max(
        (
            suggestion
            for switch in (backends.TERMINATE, backends.CANCEL)
            for suggestion in switch.suggestions(scene.readings, scene.settings)
        ),
        key=lambda one: one.weight,
        default=None,
    )
    pid = found.arguments["pid"] if found else "PID"
    session = (
        next((session for session in database.sessions if str(session.pid) == pid), None)
        if database and found
        else None
    )
    started = session.started_at.isoformat(timespec="microseconds") if session and session.started_at else "ITS_START"
    notes = (
        found.title
        if found
        else "No session blocked another at the last reading. The first command shows who blocks now.",
        "Postgres reuses pids: the command also checks the session's start.",
    )
    return EmergencyCommand(
        f"End the session that blocks others{f': {pid}' if found else ''}",
        notes,
        (
            CommandStep("who blocks whom, for how long", scene.psql(BLOCKING_SQL)),
            CommandStep("cancel its query; it keeps its transaction", scene.psql(backends.CANCEL.sql(pid, started))),
            CommandStep("end it: its transaction is rolled back", scene.psql(backends.TERMINATE.sql(pid, started))),
        ),
    )


def _pods(scene: CommandContext) -> EmergencyCommand:
    if scene.settings.docker.host:
        return _containers(scene)
    workloads = value_of(scene.readings, "workloads", Workloads)
    deployment = f"deployment/{scene.settings.kubernetes.deployment}"
    ill = next((pod.name for pod in workloads.pods if not pod.ready), "") if workloads else ""
    now = workloads.desired if workloads else None
    notes = [f"{workloads.ready} of {now} pods were ready, rollout {workloads.rollout}"] if workloads else []
    notes.append("A restart clears the processes' memory: breakers and purchases in flight.")
    if workloads and workloads.autoscaler:
        scaler = workloads.autoscaler
        notes.append(f"Autoscaler {scaler.name} keeps between {scaler.minimum} and {scaler.maximum} pods.")
    return EmergencyCommand(
        f"Pods of {scene.settings.kubernetes.deployment}",
        tuple(notes),
        (
            *([CommandStep(f"one pod that is not ready: {ill}", pods.command(scene.settings, ill))] if ill else []),
            CommandStep("restart all, one after the other", pods.command(scene.settings)),
            CommandStep("watch it", scene.kubectl("rollout", "status", deployment, "--timeout=3m")),
            CommandStep("which revisions there are", scene.kubectl("rollout", "history", deployment)),
            CommandStep("back to the revision before", rollback.back_command(scene.settings, 0)),
            CommandStep(
                f"from {now if now is not None else 'NOW'} pods to {now + deployments.STEP if now else 'MORE'}",
                deployments.scale_command(
                    scene.settings, "NOW" if now is None else now, now + deployments.STEP if now else "MORE"
                ),
            ),
        ),
    )


def _containers(scene: CommandContext) -> EmergencyCommand:
    """The same in Docker Compose, which has neither rollouts nor revisions."""
    workloads = value_of(scene.readings, "workloads", Workloads)
    app, worker = scene.settings.docker.app, scene.settings.docker.worker
    known = [pod.name for pod in workloads.pods] if workloads else []
    names = [name for name in known if name.startswith(app)] or [app]
    notes = [f"{workloads.ready} of {workloads.desired} containers of {app} were ready"] if workloads else []
    notes.append("A restart clears the processes' memory: breakers and purchases in flight.")
    notes.append("Compose keeps no revisions: to go back, deploy the earlier image tag where the compose file is.")

    def docker(*command: str) -> str:
        return shell_commands.docker(scene.settings, *command)

    return EmergencyCommand(
        f"Containers of {app}",
        tuple(notes),
        (
            CommandStep("which there are, and how they are", docker("ps", "-a")),
            *(CommandStep(f"restart {name}; wait until it is healthy", docker("restart", name)) for name in names[:8]),
            *([CommandStep("restart the background work", docker("restart", worker))] if worker else []),
            CommandStep("why one ended", docker("inspect", "-f", "{{json .State}}", names[0])),
            CommandStep("its log", docker("logs", "--timestamps", "--tail", "500", names[0])),
        ),
    )


def _outbox(scene: CommandContext) -> EmergencyCommand:
    steps = [
        CommandStep(
            "pending and failed events", scene.psql(OUTBOX_SQL.format(schema=shell_commands.sql_name(scene.schema)))
        )
    ]
    for way in outbox_worker.WAYS:
        route = CronRoute(path=way.path, method=way.methods[0])
        trap = f"; but {way.trap}" if way.trap else ""
        steps += [
            CommandStep(f"is there {way.path}, and by which methods? OPTIONS runs nothing", _options(way.path)),
            CommandStep(f"one batch by it: it {way.does}{trap}", outbox_worker.command(scene.settings, way, route)),
        ]
    notes = ("Which of the routes there is depends on the version: the first that does not answer 404.",)
    return EmergencyCommand("Process the outbox once", (*notes, *_secretless(scene.settings)), tuple(steps))


def _reconcile(scene: CommandContext) -> EmergencyCommand:
    return EmergencyCommand(
        "Run the reconciler once",
        (
            "MONEY: it credits every EXPIRED, FAILED or CANCELLED activation that was not refunded, also those that"
            " were never paid: free balance for customers. Look first how many those are, and what they sum up to.",
            f"It takes no lock: never twice at once, and not while {reconcile.LOCK} is held.",
            *_secretless(scene.settings),
        ),
        (
            CommandStep(
                "what it would credit that was never paid: rows, stuck (which it fails first), total; rows paid: owed",
                scene.psql(" ".join(refunds.REFUNDS_SQL.split()).replace("$1", str(refunds.ROUTE_STUCK_S))),
            ),
            CommandStep("is a worker at it? seconds left, -2 for none", scene.redis("TTL", reconcile.LOCK)),
            CommandStep("which methods the route has; OPTIONS runs nothing", _options(reconcile.PATH)),
            CommandStep(
                "run it; every version known exports GET alone, POST does nothing there",
                cron.command(scene.settings, CronRoute(path=reconcile.PATH, method=reconcile.METHODS[-1])),
            ),
        ),
    )


def _locks(scene: CommandContext) -> EmergencyCommand:
    script = shell_commands.folded(locks.SCRIPT, SQL_WIDTH)
    families = scene.settings.locks.families
    never = ", ".join(scene.settings.locks.never)
    [delete] = locks.commands(with_redis(scene.settings), [("LOCK_KEY", "ITS_VALUE")], script)
    return EmergencyCommand(
        "One orphaned lock",
        (
            "Only a key without a TTL (-1), or one far older than any purchase, is orphaned. DEL takes no pattern.",
            f"Never touch: {never}.",
        ),
        (
            *(
                CommandStep(f"the keys of {family}", scene.redis("--scan", "--pattern", pattern))
                for family, pattern in families.items()
                if "*" in pattern
            ),
            CommandStep("its milliseconds to live: -1 is for ever", scene.redis("PTTL", "LOCK_KEY")),
            CommandStep("its value: often the moment it was taken, in ms", scene.redis("GET", "LOCK_KEY")),
            CommandStep("delete it, only while it holds that value", delete),
        ),
    )


def _secretless(settings: Settings) -> tuple[str, ...]:
    if settings.api.cron_secret:
        return ()
    return (f'No secret is set here: where it answers 401, add -H "{cron.HEADER}".',)


def _options(path: str) -> str:
    return f'curl -sS -i -X OPTIONS "$API_URL"{shlex.quote(path)}'


def variables(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each variable in the commands, with what this console knows of it. No secrets."""
    from ..settings.loading import mask_url

    document: Mapping[str, Any] = msgspec.to_builtins(settings)
    for table, name in ADDRESSES.items():
        url = document[table]["url"]
        yield name, mask_url(url) if url else "not set here"
    secrets = {"CRON_SECRET": settings.api.cron_secret, "NEXNUM_ADMIN_TOKEN": settings.api.admin_token}
    for name, value in secrets.items():
        yield name, "set here, and not written down" if value else "not set here"
    if settings.docker.host:
        yield "DOCKER_HOST", settings.docker.host
    else:
        yield "KUBECONFIG", _cluster(settings)


def _cluster(settings: Settings) -> str:
    """The cluster that the commands are for, as far as it is known without a usable kubeconfig."""
    if not settings.kubernetes.kubeconfig:
        return "not set here"
    try:
        return str(cluster_access.access(settings.kubernetes, cluster_access.RECENT_S))
    except SourceError as error:
        return f"{settings.kubernetes.kubeconfig} ({error})"


MAKES = (_in, _health, _provider, _session, _pods, _outbox, _reconcile, _locks)
