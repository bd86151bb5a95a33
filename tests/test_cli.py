"""The command line on a staged world: the contract that others script against."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from quick_commands import nexconsole

from nexconsole import settings
from nexconsole.drill import Stage

SIGNALS = (
    "transactions",
    "circuits",
    "funnel",
    "outbox",
    "reservations",
    "locks",
    "database",
    "workloads",
    "alerts",
    "slots",
    "balances",
    "search",
    "status_pages",
    "database_cpu",
    "integrity",
    "customers",
    "changes",
)


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, str]]:
    """The addresses of a provider outage, staged once for this module."""
    with Stage("provider-outage", seed=7) as stage:
        for _ in stage.progress():
            pass
        yield stage.environment


@pytest.fixture(scope="module")
def status(world: dict[str, str]) -> tuple[int, dict]:
    done = nexconsole("status", "--json", **world)
    return done.returncode, json.loads(done.stdout)


def test_status_gives_every_signal_its_state_time_source_error_and_value(status):
    _, document = status
    for signal in SIGNALS:
        assert document[signal].keys() == {"state", "taken_at", "source", "error", "value"}
        assert document[signal]["state"] in ("fresh", "stale", "error", "absent")
        assert (document[signal]["value"] is None) == (document[signal]["state"] in ("error", "absent"))


def test_status_says_which_provider_and_how_bad(status):
    code, document = status
    assert code == 2
    assert document["severity"]["level"] == "SEV-1"
    assert "smsbower" in document["severity"]["reasons"][0]["text"]
    transactions = document["transactions"]["value"]
    assert transactions["scope"]["verdict"] == "one"
    assert transactions["scope"]["provider"] == "smsbower"
    assert transactions["failure_rate"] == pytest.approx(transactions["failures"] / transactions["attempts"], abs=0.02)
    assert transactions["window_s"] == 300
    assert "latency_p95_s" in transactions
    assert transactions["providers"][0].keys() >= {"name", "attempts", "failures", "failure_rate"}


def test_status_gives_every_holder_of_every_circuit(status):
    _, document = status
    providers = {provider["name"]: provider for provider in document["circuits"]["value"]["providers"]}
    assert set(providers) == {"smsbower", "tiger-sms", "5sim", "onlinesim", "grizzlysms"}
    assert providers["smsbower"].keys() >= {"name", "id", "active", "state", "holders", "flapping"}
    holders = providers["smsbower"]["holders"]
    assert [holder["kind"] for holder in holders] == ["pod", "pod", "pod", "shared"]
    assert all(holder.keys() >= {"kind", "where", "state", "since", "closes_in_s"} for holder in holders)


def test_status_gives_outbox_and_reservations_as_agreed(status):
    _, document = status
    assert document["outbox"]["value"].keys() >= {"pending", "failed", "dropped", "oldest_pending_s", "capped"}
    assert document["reservations"]["value"].keys() >= {"pending", "stuck", "oldest_s", "by_table"}


def test_status_without_any_source_is_absent_everywhere_and_exits_with_3():
    done = nexconsole("status", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 3
    assert {document[signal]["state"] for signal in SIGNALS} == {"absent"}
    assert document["severity"]["level"] == "none"


def test_status_as_text_begins_with_the_severity(world):
    done = nexconsole("status", **world)
    assert done.stdout.startswith("DRILL provider-outage  SEV-1\n")
    assert "Traceback" not in done.stderr


def test_doctor_finds_everything_in_order_on_a_staged_world(world):
    done = nexconsole("doctor", "--json", **world)
    checks = json.loads(done.stdout)["checks"]
    assert done.returncode == 0
    sources = {"postgres", "redis", "kubernetes", "prometheus", "api", "search", "status_pages"}
    assert {check["area"] for check in checks} == {"console", "war room", "identity", *sources}
    unset = ("war room", "identity", "status_pages")  # a drill has none of them
    assert {check["state"] for check in checks if check["area"] not in unset} <= {"ok", "warn"}
    assert [check["state"] for check in checks if check["area"] == "identity"] == ["absent"]
    assert "fail" not in {check["state"] for check in checks}


def test_init_on_a_staged_world_makes_a_file_with_no_secret(world, tmp_path):
    file = tmp_path / "made.toml"
    done = nexconsole("init", "--output", str(file), **world)
    assert (done.returncode, done.stderr) == (0, "")
    assert "postgres, redis, kubernetes, prometheus, api, search answered (the newest NexNum)" in done.stdout
    loaded = settings.load(str(file), environ={})
    assert loaded.settings.kubernetes.kubeconfig == world["KUBECONFIG"]
    assert loaded.settings.reservations.stuck_after_s == 600
    assert not settings.SECRETS.intersection(loaded.origins)
    text = file.read_text()
    assert world["CRON_SECRET"] not in text and world["DATABASE_URL"] not in text


def test_doctor_says_what_a_read_only_role_can_not_see_and_how_to_grant_it(world):
    read_only = world | {"DATABASE_URL": world["DATABASE_READ_URL"]}
    done = nexconsole("doctor", **read_only)
    assert "GRANT pg_monitor TO nexnum_read" in done.stdout


def test_doctor_fails_on_a_wrong_password_and_still_tries_the_rest(world):
    wrong = world | {"REDIS_URL": "redis://:hush-hush@" + world["REDIS_URL"].rpartition("@")[2]}
    done = nexconsole("doctor", **wrong)
    assert done.returncode == 1
    assert "FAILS          redis" in done.stdout
    assert "works          kubernetes" in done.stdout
    assert "hush-hush" not in done.stdout


def test_status_does_not_call_it_calm_where_nothing_could_be_read():
    done = nexconsole("status")
    assert done.returncode == 3
    assert done.stdout.startswith("PRODUCTION  not known: nothing could be read")


def test_a_cluster_that_tells_nothing_leaves_no_circuit_closed(world, tmp_path):
    config = with_cluster(world, tmp_path, context="nobody")
    document = json.loads(nexconsole("status", "--json", **world | {"NEXCONSOLE_CONFIG": config}).stdout)
    states = {provider["name"]: provider["state"] for provider in document["circuits"]["value"]["providers"]}
    assert states.pop("smsbower") in ("open", "unknown")
    assert set(states.values()) == {"unknown"}


def test_doctor_names_each_right_that_the_cluster_does_not_grant(world, tmp_path):
    done = nexconsole("doctor", **world | {"NEXCONSOLE_CONFIG": with_cluster(world, tmp_path, context="nobody")})
    assert "not allowed: the rollout's state is unknown" in done.stdout
    for plain, verb, group in (("pods/log", "get", ""), ("replicasets", "list", "apps"), ("pods", "delete", "")):
        rule = f'apiGroups: ["{group}"], resources: ["{plain}"], verbs: ["{verb}"]'
        assert f"grant a Role with {rule} in namespace default" in done.stdout
    assert "patch deployments.apps/scale nexnum-app: not allowed: deployment.scale can't be done" in done.stdout
    assert done.returncode == 1  # the deployment itself can't be read
    done = nexconsole("doctor", **world | {"NEXCONSOLE_CONFIG": with_cluster(world, tmp_path, context="viewer")})
    lines = [line for line in done.stdout.splitlines() if "not allowed" in line]
    missed = [line for line in lines if line.startswith("partly")]
    assert len(missed) == 4 and sum("can't be done" in line for line in missed) == 3
    [secret] = set(lines) - set(missed)  # only the list of changes needs it
    assert secret.startswith("not configured ") and "whether a Secret was changed is unknown" in secret
    assert "get pods/log: not allowed: the pods' own circuits are unknown" in done.stdout


def test_the_database_is_found_through_the_clusters_secret_where_the_settings_say_so(world, tmp_path):
    config = with_cluster(world, tmp_path, context="admin", database_from_secret=True)
    alone = {"NEXCONSOLE_CONFIG": config, "KUBECONFIG": world["KUBECONFIG"]}
    document = json.loads(nexconsole("status", "--json", **alone).stdout)
    assert document["outbox"]["state"] == "fresh"
    assert document["alerts"]["state"] == "absent"
    doctor = nexconsole("doctor", **alone)
    assert (
        "the address is looked up: DATABASE_URL of the Secret nexnum-secrets in the context's namespace"
        in doctor.stdout
    )
    shown = nexconsole("settings", **alone).stdout
    assert "DATABASE_URL of the Secret nexnum-secrets in the context's namespace" in shown
    password = world["DATABASE_URL"].partition("nexnum:")[2].partition("@")[0]
    assert password not in doctor.stdout + shown


def test_a_secret_that_may_not_be_read_leaves_the_cluster_well_and_says_what_to_grant(world, tmp_path):
    config = with_cluster(world, tmp_path, context="viewer", database_from_secret=True)
    done = nexconsole("status", "--json", NEXCONSOLE_CONFIG=config, KUBECONFIG=world["KUBECONFIG"])
    document = json.loads(done.stdout)
    assert document["outbox"]["state"] == "error"
    assert "may not get secrets in namespace default: grant get on secrets" in document["outbox"]["error"]
    assert document["workloads"]["state"] == "fresh"


def with_cluster(world: dict[str, str], folder: Path, **keys: object) -> str:
    """A settings file that says these things about the world's cluster, and nothing else."""
    file = folder / "settings.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    file.write_text("\n".join(["[kubernetes]", *lines]))
    return str(file)


def test_settings_shows_where_each_value_came_from_and_no_secret(world):
    done = nexconsole("settings", "--operator", "maria", **world)
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["operator"].endswith("flag")
    assert lines["postgres.url"].endswith("DATABASE_URL")
    password = world["DATABASE_URL"].partition("nexnum:")[2].partition("@")[0]
    assert password not in done.stdout
    assert world["CRON_SECRET"] not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["bogus"], {}, 2, "there is no command bogus: `nexconsole help` lists them"),
        (["doctor", "--theme", "pink"], {}, 2, "theme"),
        (["status", "--theme", "pink"], {}, 3, "theme"),
        (["status"], {"DATABASE_URL": "mysql://x"}, 3, "DATABASE_URL: postgres.url"),
        (["status"], {"NEXCONSOLE_CONFIG": "/nowhere.toml"}, 3, "/nowhere.toml"),
        (["status", "--bogus"], {}, 3, "there is no option --bogus"),
        (["status", "--format", "xml"], {}, 3, "'xml' is none of text, json, prometheus"),
        (["status", "--watch", "0"], {}, 3, "give seconds, 1 to 3600"),
        (["status", "--watch", "nan"], {}, 3, "give seconds, 1 to 3600"),
        (["status", "--watch", "--format", "prometheus"], {}, 3, "--watch prints lines"),
        (["drill", "no-such-incident"], {}, 1, "provider-outage"),
        ([], {}, 2, "needs a terminal"),
    ],
)
def test_what_is_asked_wrongly_is_explained_in_a_line(arguments, environment, code, said):
    done = nexconsole(*arguments, **environment)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_drill_lists_its_scenarios():
    names = [line.split()[0] for line in nexconsole("drill", "--list").stdout.splitlines()]
    assert names[:15] == [
        "calm",
        "provider-outage",
        "database-stall",
        "reconciler-stopped",
        "outbox-poison",
        "flapping-circuit",
        "stale-locks",
        "slot-starvation",
        "best-route-blackout",
        "balance-empty",
        "search-down",
        "one-bad-pod",
        "connections-exhausted",
        "redis-full",
        "bad-release",
    ]
    assert len(names) == len(set(names)) > 60


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m nexconsole settings | head -n 1", shell=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.startswith("environment")
    assert done.stderr == ""
