"""`nexconsole run`, as scripts use it: the JSON's fields, the exit codes, and who may not act. Each is a contract."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from acting import add_provider, lacking, shell
from controller import entries, kinds, settings, until
from quick_commands import nexconsole

from nexconsole import terminal
from nexconsole.journal import EntryKind
from nexconsole.journal.accounts import own_account
from nexconsole.model import utc_now
from nexconsole.session.incident_store import IncidentStore
from nexconsole.session.session import Session
from nexconsole.settings import load, permission, permission_refused
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

PLAN = {
    "action",
    "arguments",
    "targets",
    "effect",
    "command",
    "guards",
    "confirm",
    "undo",
    "watch",
    "taken_at",
    "expires_at",
}
WORKED, REFUSED, USAGE, FAILED, UNKNOWN = 0, 1, 2, 3, 4


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)


class Shell:
    """`nexconsole run` in an environment; `journal` is where it writes. `attended`: a person has a terminal.
    `files_by_name`: the test's console is of another account."""

    attended = True
    files_by_name = False

    def __init__(self, folder: Path, **environment: str) -> None:
        self.journal = folder / "journal"
        self._config = folder / "settings.toml"
        self._environment = environment | {"NEXCONSOLE_CONFIG": str(self._config)}
        self.configure("")

    def configure(self, more: str) -> None:
        quick = "[actions]\nprovider_cache_s = 1\nverify_s = 1\ntimeout_s = 2\n"
        self._config.write_text(f'operator = "maria"\n[journal]\nfolder = "{self.journal}"\n{quick}{more}')

    async def run(self, *words: str, **environment: str) -> Done:
        given = {"attended": self.attended, "files_by_name": self.files_by_name}
        run = partial(nexconsole, "run", *words, **given, **(self._environment | environment))
        done = await asyncio.to_thread(run)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
async def providers(database: Any, tmp_path: Path) -> Shell:
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    return Shell(tmp_path, DATABASE_URL=database.url, DATABASE_READ_URL=database.server.read_url)


@pytest.fixture
async def locks(redis_server: Any, tmp_path: Path) -> Any:
    """A shell on Redis alone, with two abandoned locks and a living one; and the test's own client."""
    client = redis.asyncio.from_url(redis_server.url, decode_responses=True)
    await client.flushall()
    for number in range(2):
        await client.set(f"lock:purchase:old-{number}", "1700000000000")
    await client.set("lock:purchase:fresh", "token", ex=30)
    yield Shell(tmp_path, REDIS_URL=redis_server.url), client
    await client.flushall()
    await client.aclose()


async def is_active(database: Any) -> bool:
    return await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")


async def test_a_dry_run_gives_the_plan_field_by_field_and_touches_nothing(providers: Shell, database: Any) -> None:
    done = await providers.run("provider.disable", "smsbower", "--dry-run", "--json")
    document = done.document
    where, what = {"environment", "name", "profile"}, {"plan", "outcome", "verdict", "stopped", "doubt", "unrecorded"}
    assert done.code == WORKED and document.keys() == where | what
    assert document["outcome"] is document["verdict"] is document["stopped"] is None and document["doubt"] == ""
    plan = document["plan"]
    assert plan.keys() == PLAN
    assert plan["action"] == "provider.disable" and plan["arguments"] == {"provider": "smsbower"}
    [target] = plan["targets"]
    assert target.keys() >= {"kind", "id", "chosen"} and target["kind"] == "provider" and target["chosen"] is True
    assert plan["command"].startswith("psql ") and plan["effect"].startswith("Disables smsbower")
    assert plan["guards"] and all(guard.keys() == {"name", "level", "reason"} for guard in plan["guards"])
    assert {guard["level"] for guard in plan["guards"]} <= {"ok", "warn", "block"}
    assert plan["confirm"] == {"kind": "letter", "text": "d"}
    assert plan["undo"].keys() == {"action", "arguments", "command"}
    assert plan["undo"]["action"] == "provider.enable"
    taken, expires = (datetime.fromisoformat(plan[name]) for name in ("taken_at", "expires_at"))
    assert taken.utcoffset() == timedelta(0) and taken < expires
    assert await is_active(database) and kinds(providers.journal) == []


async def test_without_confirm_it_only_shows_the_plan_and_how_to_execute_it(providers: Shell, database: Any) -> None:
    done = await providers.run("provider.disable", "smsbower")
    assert done.code == WORKED and "to execute it, add: --confirm 'd'" in done.out and "psql" in done.out
    assert await is_active(database) and kinds(providers.journal) == []


async def test_what_worked_is_0_with_outcome_verdict_and_the_same_journal(locks: Any) -> None:
    shell, client = locks
    done = await shell.run("locks.flush", "purchase", "--confirm", "f", "--json")
    document = done.document
    assert done.code == WORKED and document["plan"].keys() == PLAN
    assert (
        document["outcome"].keys() == {"state", "answer", "touched", "answered"}
        and document["outcome"]["state"] == "done"
    )
    assert document["verdict"].keys() == {"state", "because"} and document["verdict"]["state"] == "worked"
    assert await client.keys() == ["lock:purchase:fresh"]
    intent, outcome, verdict = entries(shell.journal)
    assert [intent.kind, outcome.kind, verdict.kind] == ["intent", "outcome", "verdict"]
    assert intent.data["operator"] == "maria" and intent.data["plan"]["command"] == document["plan"]["command"]
    assert outcome.data["outcome"]["answer"] == document["outcome"]["answer"]
    assert verdict.data["verdict"] == document["verdict"]


async def test_a_dry_run_of_a_flush_lists_what_redis_cli_scans(locks: Any, redis_server: Any) -> None:
    if lacking("redis-cli"):
        pytest.skip("redis-cli is not installed")
    command = "redis-cli --no-auth-warning -u \"$REDIS_URL\" --scan --pattern 'lock:purchase:*'"
    _, printed = await shell(command, REDIS_URL=redis_server.url)
    document = (await locks[0].run("locks.flush", "purchase", "--dry-run", "--json")).document
    assert {target["id"] for target in document["plan"]["targets"]} == set(printed.split()) and len(
        printed.split()
    ) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["provider.disable", "smsbower", "--confirm", "D"], "not confirmed: d was asked for"),
        (["provider.disable", "smsbower", "--confirm", ""], "not confirmed"),
        (["provider.disable", "nobody", "--confirm", "d"], "there is no provider nobody"),
        (["provider.enable", "smsbower", "--dry-run"], "enabled already"),
        (["pods.restart", "--confirm", "r"], "set kubernetes.kubeconfig"),
        (["locks.flush", "purchase"], "set redis.url"),
    ],
)
async def test_what_is_refused_is_1_with_the_reason(
    providers: Shell, database: Any, words: list[str], said: str
) -> None:
    done = await providers.run(*words, "--json")
    assert done.code == REFUSED and said in done.document["stopped"]
    assert done.document["outcome"] is done.document["verdict"] is None
    assert await is_active(database) and kinds(providers.journal) == []


async def test_a_blocked_plan_is_1_and_nothing_is_sent_whatever_is_confirmed(locks: Any) -> None:
    shell, client = locks
    shell.configure('[locks]\nnever = ["lock:purchase:*"]\n')
    for words in (["--dry-run"], ["--confirm", "f"]):
        done = await shell.run("locks.flush", "purchase", *words, "--json")
        assert done.code == REFUSED
        assert "block" in [guard["level"] for guard in done.document["plan"]["guards"]]
    assert "never to be touched" in done.document["stopped"] and len(await client.keys()) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["provider.explode"], "there is no action provider.explode"),
        (["provider.disable"], "provider.disable needs provider"),
        (["provider.disable", "a", "b"], "takes no more than 1"),
        (["provider.disable", "a", "--frobnicate"], "there is no option --frobnicate"),
    ],
)
async def test_what_is_asked_wrongly_is_2(providers: Shell, words: list[str], said: str) -> None:
    done = await providers.run(*words, "--json")
    assert done.code == USAGE and said in done.err and not done.out


async def test_what_needs_a_second_person_is_sent_alone_only_with_a_reason_to_break_the_glass(
    providers: Shell, database: Any
) -> None:
    providers.configure('[warroom]\napproval_actions = ["provider.disable"]\n')
    words = ("provider.disable", "smsbower", "--confirm", "d")
    done = await providers.run(*words)
    assert done.code == REFUSED and "nobody is here who may approve it" in done.out and kinds(providers.journal) == []
    assert "--break-glass REASON sends it without one" in done.err
    done = await providers.run(*words, "--break-glass", "  ")
    assert done.code == USAGE and "--break-glass: the reason is empty" in done.err and kinds(providers.journal) == []
    done = await providers.run(*words, "--break-glass", "every purchase fails, api_key=hunter2secret")
    assert done.code == UNKNOWN and "BREAKING THE GLASS, since nobody is here who may approve it" in done.err
    glass, intent = entries(providers.journal)[:2]
    assert (glass.kind, intent.kind) == ("broke_glass", "intent") and intent.data["broke_glass"] == glass.id
    assert glass.data["reason"].startswith("every purchase fails") and "hunter2secret" not in str(glass.data)


async def test_who_may_not_act_is_refused_with_one_sentence_on_who_may(providers: Shell) -> None:
    providers.configure('[roles]\nact = ["somebody", "group:nobody-there"]\n')
    done = await providers.run("provider.disable", "smsbower", "--confirm", "d")
    assert done.code == REFUSED and kinds(providers.journal) == []
    said = f"only somebody, group:nobody-there may act (roles.act in the settings); you are {own_account()}"
    assert f"not done: {said}" in done.out


async def test_a_failure_is_3(providers: Shell, database: Any) -> None:
    other = await asyncpg.connect(database.server.admin_url)
    try:
        await other.execute("BEGIN; SELECT 1 FROM providers WHERE name = 'smsbower' FOR UPDATE")
        done = await providers.run("provider.disable", "smsbower", "--confirm", "d", "--json")
    finally:
        await other.close()
    assert done.code == FAILED and done.document["outcome"]["state"] == "failed"
    assert "somebody else holds a lock" in done.document["outcome"]["answer"] and done.document["verdict"] is None
    assert kinds(providers.journal) == ["intent", "outcome"]


async def test_what_had_no_effect_is_3(locks: Any) -> None:
    shell, client = locks

    async def taken_again() -> None:
        while await client.exists("lock:purchase:old-0"):
            await asyncio.sleep(0.01)
        await client.set("lock:purchase:old-0", "1700000000001")

    again = asyncio.create_task(taken_again())
    done = await shell.run("locks.flush", "purchase", "--confirm", "f", "--json")
    await again
    assert done.code == FAILED and done.document["verdict"]["state"] == "no effect"


async def test_a_verdict_that_can_not_be_told_is_4(providers: Shell, database: Any) -> None:
    done = await providers.run("provider.disable", "smsbower", "--confirm", "d", "--json")
    assert done.code == UNKNOWN and done.document["outcome"]["state"] == "done"
    assert done.document["verdict"]["state"] == "unknown" and not await is_active(database)


@pytest.mark.parametrize("words", [["--dry-run"], ["--confirm", "d"]])
async def test_an_observing_console_can_not_act_and_says_so(providers: Shell, database: Any, words: list[str]) -> None:
    done = await providers.run("provider.disable", "smsbower", "--observe", *words, "--json")
    assert "only observes: it was started with --observe" in done.document["stopped"]
    assert done.code == (WORKED if "--dry-run" in words else REFUSED)
    text = (await providers.run("provider.disable", "smsbower", "--observe", *words)).out
    assert "only observes" in text and "to execute it" not in text
    assert await is_active(database) and kinds(providers.journal) == []


@pytest.mark.parametrize("action", [("provider.disable", "smsbower", "d"), ("locks.flush", "purchase", "f")])
async def test_a_read_only_role_can_not_act_on_anything_and_says_so(
    providers: Shell, database: Any, locks: Any, redis_server: Any, action: tuple[str, str, str]
) -> None:
    environment = {"DATABASE_URL": database.server.read_url, "REDIS_URL": redis_server.url}
    name, target, letter = action
    done = await providers.run(name, target, "--confirm", letter, "--json", **environment)
    assert done.code == REFUSED and "a read-only role" in done.document["stopped"]
    dry = await providers.run(name, target, "--dry-run", "--json", **environment)
    assert "a read-only role" in dry.document["stopped"] and dry.document["plan"] is not None
    assert await is_active(database) and len(await locks[1].keys()) == 3 and kinds(providers.journal) == []


@pytest.mark.usefixtures("kernel_accounts")
async def test_an_observer_of_the_open_incident_can_not_act_and_says_so(locks: Any) -> None:
    shell, client = locks
    book = IncidentStore(settings(shell.journal), utc_now)
    await book.open({"title": "smsbower fails", "level": "", "since": ""})
    await book.record(EntryKind.ROLE, {"role": "observer", "person": "maria"})
    done = await shell.run("locks.flush", "purchase", "--confirm", "f", "--json")
    assert done.code == REFUSED and "the role of an observer" in done.document["stopped"]
    assert len(await client.keys()) == 3 and "intent" not in kinds(shell.journal)


async def test_without_a_journal_nothing_is_sent_unless_it_is_said(locks: Any) -> None:
    shell, client = locks
    shell.journal.write_text("a file in the folder's place")
    done = await shell.run("locks.flush", "purchase", "--confirm", "f", "--json")
    assert done.code == REFUSED and "could not be recorded" in done.document["stopped"]
    assert len(await client.keys()) == 3
    done = await shell.run("locks.flush", "purchase", "--confirm", "f", "--unrecorded", "--json")
    assert done.code == WORKED and await client.keys() == ["lock:purchase:fresh"]
    assert done.document["unrecorded"].startswith("nothing of it is on record: ")
    await client.set("lock:purchase:old-0", "1700000000000")
    done = await shell.run("locks.flush", "purchase", "--confirm", "f", "--unrecorded")
    assert done.code == WORKED and "NOT RECORDED: nothing of it is on record: " in done.out


async def test_the_actions_are_listed_by_their_stable_names(providers: Shell) -> None:
    done = await providers.run()
    names = {line.split()[0] for line in done.out.splitlines()}
    assert done.code == 0 and names == {
        "provider.disable",
        "provider.enable",
        "circuit.open",
        "circuit.close",
        "reconcile.run",
        "outbox.process",
        "outbox.retry",
        "locks.flush",
        "locks.restore",
        "pods.restart",
        "deployment.scale",
        "rollout.undo",
        "backend.cancel",
        "backend.terminate",
        "alert.silence",
        "alert.unsilence",
        "slots.clear",
        "slots.restore",
    }


async def test_a_console_that_watches_an_incident_can_object_to_a_one_shot_and_it_sends_nothing(
    providers: Shell, database: Any
) -> None:
    providers.configure("[warroom]\nobjection_s = 20\n")
    providers.files_by_name = True
    console = Session(settings(providers.journal, operator="piet"), Sources(LazyClients(), {}))
    console.start()
    try:
        await console.open_incident("smsbower fails", "SEV-1")
        planned = (await providers.run("provider.disable", "smsbower", "--json")).document["plan"]
        words = ("provider.disable", "smsbower", "--confirm", planned["confirm"]["text"], "--json")
        running = asyncio.create_task(providers.run(*words))

        def proposed() -> Any:
            return next((one for one in console.incident.proposals if not one.ended), None)

        proposal = await until(proposed, 20)
        who = f"maria (account {own_account()})"  # this process's account, whatever the settings call it
        assert proposal.by == who and any(one.name == who for one in console.peers.here)
        await console.object(proposal.id, "not now")
        done = await running
        assert done.code == REFUSED and "piet objected: not now" in done.document["stopped"]
        assert await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")
        kinds_by_then = [entry.kind for entry in entries(providers.journal)]
        assert "intent" not in kinds_by_then and "stopped" in kinds_by_then
    finally:
        await console.close()


async def test_whoever_calls_himself_as_the_other_does_is_not_alone_with_himself(
    providers: Shell, database: Any
) -> None:
    providers.configure("[warroom]\nobjection_s = 20\n")
    providers.files_by_name = True
    console = Session(settings(providers.journal, operator="piet"), Sources(LazyClients(), {}))
    console.start()
    try:
        running = asyncio.create_task(
            providers.run("provider.disable", "smsbower", "--confirm", "d", "--operator", "piet", "--json")
        )
        [(proposal, _)] = await until(lambda: console.waiting, 20)
        assert proposal.by == f"piet (account {own_account()})"
        await console.object(proposal.id, "that was not me")
        done = await running
        assert done.code == REFUSED and "piet objected: that was not me" in done.document["stopped"]
        assert await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")
    finally:
        await console.close()


async def test_nothing_is_confirmed_without_a_terminal_unless_the_accounts_own_file_says_so(
    providers: Shell, database: Any
) -> None:
    providers.attended = False
    disable = ("provider.disable", "smsbower", "--confirm", "d")
    done = await providers.run(*disable)
    assert done.code == REFUSED and "--confirm needs a terminal" in done.out and "confirm_without_terminal" in done.out
    document = (await providers.run(*disable, "--json")).document
    assert document["plan"] is None and "--confirm needs a terminal" in document["stopped"]
    providers.configure("confirm_without_terminal = true\n")  # a file that the caller names, and may have written
    done = await providers.run(*disable)
    assert done.code == REFUSED and "confirm_without_terminal of" in done.out and "does not count" in done.out
    assert (await providers.run("provider.disable", "smsbower", "--dry-run")).code == WORKED
    assert await is_active(database) and kinds(providers.journal) == []


def test_the_permission_counts_in_the_usual_file_and_in_one_of_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "actions.confirm_without_terminal"
    home = SimpleNamespace(pw_dir=str(tmp_path))
    monkeypatch.setattr(permission.pwd, "getpwuid", lambda uid: home)
    usual = tmp_path / ".config/nexconsole/config.toml"
    usual.parent.mkdir(parents=True)
    other = tmp_path / "other.toml"
    for file in (usual, other):
        file.write_text("[actions]\nconfirm_without_terminal = true\n")
    assert permission_refused(load(str(usual), environ={}), key) == ""
    assert "does not count" in permission_refused(load(str(other), environ={}), key)
    os.chmod(other, 0o644)
    monkeypatch.setattr(permission.os, "geteuid", lambda: 12345)
    owned = os.stat(other).st_uid == 0
    assert (permission_refused(load(str(other), environ={}), key) == "") is owned
    os.chmod(other, 0o664)
    assert "does not count" in permission_refused(load(str(other), environ={}), key)


@pytest.mark.parametrize(
    ("terminals", "attended"),
    [((0, 1, 2), True), ((0, 2), True), ((0, 1), True), ((0,), False), ((1, 2), False), ((), False)],
)
def test_a_terminal_is_where_somebody_can_type_and_read(
    terminals: tuple[int, ...], attended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal.os, "isatty", lambda fd: fd in terminals)
    assert terminal.attended() is attended
