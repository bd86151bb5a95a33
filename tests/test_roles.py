"""`[roles]`: who may look, note, act, approve and command; what is done against it is marked and counts for nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from accounts import account_by_name
from controller import controller, settings, text_of, until
from disasters import root_only

from nexconsole.errors import JournalError, SettingsError
from nexconsole.incident.incident import fold
from nexconsole.incident.judgement import TRUSTING, Judge
from nexconsole.incident.permissions import Permissions, WriterIdentity, another
from nexconsole.incident.proposals import proposals_in
from nexconsole.incident.role_problems import approval_problems, unknown_names
from nexconsole.journal import Entry, EntryKind, Proof, Writer, open_journal
from nexconsole.journal.accounts import in_group
from nexconsole.journal.entries import make
from nexconsole.session.capabilities import ALL, Capability, capabilities_of
from nexconsole.session.session import Session
from nexconsole.settings import RoleSettings, load
from nexconsole.sharing.role_checks import examine
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY, OTHER_KEY = (f"SHA256:{letter * 43}" for letter in "AB")


def roles(**lists: list[str]) -> RoleSettings:
    return msgspec.convert(lists, RoleSettings)


def who(account: str, host: str = "bastion", key: str = "") -> WriterIdentity:
    return WriterIdentity(account=account, host=host, key=key)


# --- the settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], 'the list is empty: leave it out for everybody, or write ["nobody"]'),
        (["grup:oncall"], "did you mean group?"),
        (["key:SHA256:short"], "a key is named by its fingerprint, as ssh-keygen -lf KEY.pub prints it"),
        (["key:MD5:aa:bb"], "a key is named by its fingerprint"),
        (["group:"], "no name of a group"),
        ([""], "no name of an account"),
        (["maria piet"], "no name of an account"),
        (["maria@"], "no name of an account"),
        (["maria", "everybody"], "'everybody' stands alone"),
        (["x" * 300], "a name is longer than 200 characters"),
        ([f"a{n}" for n in range(501)], "501 names; at most 500 are read"),
    ],
)
def test_a_list_that_names_nobody_is_refused_with_file_and_key(tmp_path: Path, names: list[str], said: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[roles]\nact = {names!r}\n")
    with pytest.raises(SettingsError) as refused:
        load(str(file), environ={})
    assert str(refused.value).startswith(f"{file}: roles: act: ") and said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_key_of_roles_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[roles]\naprove = ["maria"]\n')
    with pytest.raises(SettingsError, match=r"roles.aprove: there is no such key: did you mean roles.approve\?"):
        load(str(file), environ={})


# --- who may --------------------------------------------------------------------------------------------------


def test_without_roles_everybody_may_everything() -> None:
    assert Permissions(RoleSettings()).open and capabilities_of(settings(Path("/tmp"))) == ALL
    assert Permissions(roles(look=["everybody"])).open


@pytest.mark.parametrize("capability", [Capability.ACT, Capability.APPROVE, Capability.COMMAND, Capability.PROPOSE])
def test_whoever_is_named_for_more_may_note_and_look_and_nobody_else_may(capability: Capability) -> None:
    found = Permissions(roles(look=["piet"], note=["nobody"], **{capability.value: ["maria"]}))
    for allowed in (Capability.LOOK, Capability.JOIN, Capability.NOTE, capability):
        assert found.allows(allowed, who("maria"))
    assert found.allows(Capability.LOOK, who("piet")) and not found.allows(Capability.NOTE, who("piet"))
    assert not found.allows(Capability.LOOK, who("eve"))
    others = {Capability.ACT, Capability.APPROVE, Capability.COMMAND, Capability.PROPOSE} - {capability}
    assert not any(found.allows(other, who("piet")) for other in others)  # everybody who may note: he may not


def test_an_account_may_be_named_for_one_host_and_a_key_only_where_it_has_signed() -> None:
    found = Permissions(roles(act=["maria@bastion", f"key:{KEY}"]))
    assert found.allows(Capability.ACT, who("maria")) and not found.allows(Capability.ACT, who("maria", "laptop"))
    assert found.allows(Capability.ACT, who("shared", key=KEY)) and not found.allows(Capability.ACT, who("shared"))
    assert not found.allows(Capability.ACT, who("shared", key=OTHER_KEY)) and not found.allows(Capability.ACT, who(""))


def test_a_group_is_looked_up_on_this_host_and_one_that_is_not_there_has_nobody() -> None:
    assert (
        in_group("daemon", "daemon") and not in_group("daemon", "nobody-there") and not in_group("nobody-there", "root")
    )
    found = Permissions(roles(act=["group:daemon"]))
    found.learn(["daemon"])
    assert found.allows(Capability.ACT, who("daemon")) and not found.allows(Capability.ACT, who("root"))


def test_two_persons_are_two_accounts_or_two_keys_where_both_have_signed() -> None:
    assert another(who("piet"), who("maria")) and not another(who("maria"), who("maria", "laptop"))
    assert not another(who("piet", key=KEY), who("maria", key=KEY))  # one key is one person, whatever the account
    assert not another(who("maria", key=KEY), who("maria", "laptop", OTHER_KEY))  # one person has several keys
    shared = [replace(who("ops", key=key), signed_as=name) for name, key in (("ana", KEY), ("eve", OTHER_KEY))]
    assert another(*shared) and not another(shared[0], replace(shared[1], signed_as="ana"))
    assert not another(shared[0], who("ops"))  # only one of them has signed


# --- what counts ----------------------------------------------------------------------------------------------


def entry(account: str, kind: str, data: dict[str, Any], minute: int = 0, proof: Proof = Proof.KERNEL) -> Entry:
    writer = Writer(account, "bastion", 7, NOW - timedelta(hours=1), account)
    at = NOW + timedelta(minutes=minute)
    return replace(make(at=at, writer=writer, seq=minute + 1, prev="", after="", kind=kind, data=data), proof=proof)


PROPOSED = entry(
    "maria", "proposed", {"plan": {"action": "pods.restart"}, "until": NOW.isoformat(), "needs": "approval"}, 1
)
OPENED = entry("maria", "opened", {"title": "t", "level": ""})


def judged(*entries: Entry, **lists: list[str]) -> Any:
    return fold((OPENED, PROPOSED, *entries), judge=Judge(roles(**lists)) if lists else TRUSTING)


def test_an_approval_of_somebody_who_may_not_approve_is_shown_marked_and_counts_for_nothing() -> None:
    approved = entry("eve", "approved", {"proposal": PROPOSED.id}, 2)
    assert judged(approved).proposals[0].ended == "approved"
    incident = judged(approved, approve=["piet"])
    assert incident.proposals[0].ended == ""
    assert incident.timeline[-1].text == "NOT ALLOWED TO APPROVE: pods.restart: approves"
    ours = entry("piet", "approved", {"proposal": PROPOSED.id}, 3)
    assert judged(approved, ours, approve=["piet"]).proposals[0].ended_by == "piet"


def test_a_forged_approval_counts_for_nothing_also_without_roles() -> None:
    forged = entry("piet", "approved", {"proposal": PROPOSED.id}, 2, Proof.FORGED)
    incident = judged(forged)
    assert incident.proposals[0].ended == "" and incident.timeline[-1].text.startswith("FORGED: ")
    assert TRUSTING.counted([PROPOSED, forged]) == (PROPOSED,)


def test_objection_role_level_and_closing_need_the_role_for_them_and_an_action_is_a_fact() -> None:
    entries = (
        entry("eve", "objected", {"proposal": PROPOSED.id, "reason": "no"}, 2),
        entry("ana", "role", {"role": "commander", "person": "ana"}, 3),
        entry("ana", "role", {"role": "operator", "person": "maria"}, 4),
        entry("ana", "declared", {"level": "SEV-3", "reason": "x"}, 5),
        entry("ana", "closed", {"reason": "x"}, 6),
        entry("ana", "intent", {"plan": {"action": "pods.restart"}}, 7),
    )
    lists = {"note": ["ana", "maria"], "command": ["maria"], "act": ["maria"]}
    incident = judged(*entries, **lists)
    assert (incident.proposals[0].ended, incident.closed, incident.declared) == ("", None, ())
    assert incident.roles == {"commander": "ana"}  # for herself she may, for others not
    assert [action.name for action in incident.actions] == ["pods.restart"]
    assert [line.mark for line in incident.timeline[-6:]] == [
        "not allowed to write here",
        "",
        "not allowed to command",
        "not allowed to command",
        "not allowed to command",
        "not allowed to act",
    ]


def test_one_key_under_two_accounts_approves_nothing_of_its_own() -> None:
    def signed(one: Entry, key: str) -> Entry:
        return replace(one, proof=Proof.SIGNED, signer=key)

    approved = entry("piet", "approved", {"proposal": PROPOSED.id}, 2)
    same = proposals_in([signed(PROPOSED, KEY), signed(approved, KEY)])
    assert [one.ended for one in same] == [""]
    assert [one.ended for one in proposals_in([signed(PROPOSED, KEY), signed(approved, OTHER_KEY)])] == ["approved"]


# --- the session ----------------------------------------------------------------------------------------------


def session(folder: Path, operator: str, **lists: list[str]) -> Session:
    return Session(settings(folder, operator=operator, roles=lists), Sources(LazyClients(), {}))


async def test_two_accounts_work_an_incident_each_by_its_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "here", account_by_name())
    lists = {"note": ["maria", "ana"], "command": ["maria"], "approve": ["maria"]}
    ana, maria = session(tmp_path, "ana", **lists), session(tmp_path, "maria", **lists)
    ana.start(), maria.start()
    try:
        name = await ana.open_incident("smsbower fails", "SEV-1")  # to open, a note's right is enough
        await until(lambda: maria.incident_store.current == name)
        assert maria.incident is not None and maria.incident.commander == "ana" and maria.incident.declared == ()
        for refused in (
            ana.declare("SEV-2", "x"),
            ana.close_incident("x"),
            ana.take_role("scribe", "maria"),
            ana.approve("x"),
        ):
            with pytest.raises(JournalError, match=r"only maria may .* \(roles\.(command|approve) in the settings\)"):
                await refused
        await maria.declare("SEV-2", "two providers")
        await until(lambda: ana.incident is not None and ana.incident.level == "SEV-2")
        proposal = entry("eve", EntryKind.PROPOSED, {})
        open_journal(settings(tmp_path), "ana", name).append(EntryKind.CLOSED, {"reason": "by hand"})
        await until(lambda: len(maria.incident_store.on_record) == len(ana.incident_store.on_record))
        assert proposal and maria.incident_store.current == name and maria.incident.closed is None
    finally:
        await ana.close()
        await maria.close()


async def test_a_refused_key_says_who_may(tmp_path: Path) -> None:
    chosen = settings(tmp_path, roles={"command": ["piet"], "act": ["piet"], "note": ["piet"]})
    async with controller(chosen) as (app, pilot):
        await pilot.press("n")
        await until(lambda: "only piet may write to the journal (roles.note in the settings)" in text_of(app))
        app.controller.incidents.declare()
        await until(lambda: any("only piet may declare a severity" in note.message for note in app._notifications))


# --- alone with wrong settings --------------------------------------------------------------------------------


def test_what_can_not_hold_is_said(tmp_path: Path) -> None:
    rules = {"approval_actions": ["pods.restart"]}
    cases = {
        "nobody may approve (roles.approve), but warroom.approval_actions demands approvals": {"approve": ["nobody"]},
        "only maria may approve (roles.approve): what needs an approval and maria does": {"approve": ["maria"]},
    }
    for said, lists in cases.items():
        assert said in approval_problems(settings(tmp_path, roles=lists, warroom=rules))[0]
    assert approval_problems(settings(tmp_path, roles={"approve": ["a", "b"]}, warroom=rules)) == ()
    assert approval_problems(settings(tmp_path, roles={"approve": ["nobody"]})) == ()
    assert (
        "did you mean pods.restart?"
        in approval_problems(settings(tmp_path, warroom={"approval_actions": ["pods.restrat"]}))[0]
    )
    assert "approval_s is 0" in approval_problems(settings(tmp_path, warroom=rules | {"approval_s": 0.0}))[0]
    names = unknown_names(settings(tmp_path, roles={"act": ["group:nobody-there", "nobody-there", "x@elsewhere"]}))
    assert names == (
        "roles.act: there is no group nobody-there on this host: it names nobody",
        "roles.act: there is no account nobody-there on this host",
    )


def test_doctor_says_whose_file_the_roles_are_in(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    file.chmod(0o666)
    chosen = settings(tmp_path, roles={"act": ["root"]})
    [check] = [check for check in examine(chosen, str(file)) if check.what == "roles file"]
    assert check.state == "warn" and "guard rail between honest people only" in check.said
    assert list(examine(settings(tmp_path))) == []


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that other accounts reach; pytest's own they do not."""
    with tempfile.TemporaryDirectory(prefix="nexconsole-roles-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@root_only
@pytest.mark.parametrize(("listed", "code"), [("group:daemon", 0), ("daemon", 0), ("group:adm", 2), ("root", 2)])
def test_another_account_looks_only_where_its_group_or_name_may(shared_folder: Path, listed: str, code: int) -> None:
    tmp_path = shared_folder
    file = tmp_path / "config.toml"
    file.write_text(f'[journal]\nfolder = "{tmp_path}"\n[roles]\nlook = ["{listed}"]\n')
    words = ["journal", "list", "--config", str(file)]
    script = (
        "import os, sys\nimport nexconsole.cli.main, nexconsole.cli.journal, nexconsole.incident.permissions\n"
        "import nexconsole.session.capabilities\nos.seteuid(1)\n"
        f"sys.exit(nexconsole.cli.main.run({words!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"HOME": str(tmp_path)},
    )
    assert done.returncode == code, done.stderr
    if code:
        assert f"only {listed} may look (roles.look in the settings); you are daemon" in done.stderr
