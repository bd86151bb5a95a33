"""What can be done to a subject: by declaration, with letters that stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import sample_readings as sample
from controller import fresh, seeing, settings

from nexconsole.actions.registry import ACTIONS
from nexconsole.catalogue import Subject
from nexconsole.panes import subjects
from nexconsole.session.capabilities import OBSERVER, Capabilities, capabilities_of
from nexconsole.session.session import Session
from nexconsole.session.verbs import RESERVED, Verb, mnemonics, verbs
from nexconsole.sources import open_sources

SYSTEMS = {
    "postgres": {"url": "postgresql://u:p@127.0.0.1:1/nexnum"},
    "redis": {"url": "redis://127.0.0.1:1"},
    "api": {"url": "http://127.0.0.1:1"},
}
KINDS = (
    subjects.provider("smsbower"),
    subjects.breaker("smsbower", sample.PODS[0]),
    subjects.pod(sample.PODS[0], "uid-1"),
    subjects.event("0198", "number.purchased"),
    subjects.session(4711, "nexnum"),
    subjects.reservations("number_purchases"),
    subjects.lock_family("purchase"),
    subjects.lock("lock:purchase:1", "purchase"),
    subjects.alert("ProviderApiErrors", {"provider": "smsbower"}, "key"),
)


def found(
    tmp_path: Path, subject: Subject, world: str = "incident", capabilities: Capabilities | None = None
) -> list[Verb]:
    chosen = settings(tmp_path, **SYSTEMS)
    session = Session(
        chosen,
        open_sources(chosen),
        seeing(fresh(sample.WORLDS[world]())),
        capabilities=capabilities or capabilities_of(chosen),
    )
    return verbs(session, subject)


def names(offered: list[Verb]) -> set[str]:
    return {verb.action for verb in offered}


def test_a_subject_is_given_to_whatever_takes_its_words_or_is_about_its_kind(tmp_path: Path) -> None:
    provider = names(found(tmp_path, subjects.provider("smsbower")))
    assert {"provider.disable", "provider.enable", "circuit.open", "circuit.close", "slots.clear"} <= provider
    assert not {"pods.restart", "outbox.retry", "reconcile.run"} & provider
    assert "pods.restart" in names(found(tmp_path, subjects.breaker("smsbower", "pod-1")))
    assert names(found(tmp_path, subjects.pod("pod-1", ""))) == {"pods.restart", "deployment.scale", "rollout.undo"}
    assert names(found(tmp_path, subjects.event("1", "x"))) == {"outbox.retry", "outbox.process"}
    assert names(found(tmp_path, subjects.session(1, ""))) == {"backend.cancel", "backend.terminate"}
    assert names(found(tmp_path, subjects.reservations("x"))) == {"reconcile.run"}
    assert names(found(tmp_path, subjects.lock("k", "purchase"))) == {"locks.flush"}
    assert {"alert.silence", "provider.disable"} <= names(found(tmp_path, subjects.alert("A", {"provider": "p"}, "k")))
    assert "pods.restart" not in names(found(tmp_path, subjects.foreign_pod("other", "uid")))
    assert found(tmp_path, subjects.finding("money is missing")) == []


def test_the_words_are_the_subjects_own(tmp_path: Path) -> None:
    [flush] = found(tmp_path, subjects.lock("lock:purchase:1", "purchase"))
    assert (flush.given, flush.asks) == ({"family": "purchase", "keys": "lock:purchase:1"}, False)
    scale = next(verb for verb in found(tmp_path, KINDS[2]) if verb.action == "deployment.scale")
    assert (scale.given, scale.asks) == ({}, True)
    back = next(verb for verb in found(tmp_path, KINDS[0]) if verb.action == "slots.restore")
    assert (back.given, back.asks) == ({"provider": "smsbower"}, True)


@pytest.mark.parametrize("subject", KINDS, ids=lambda subject: "-".join((subject.kind, *subject.arguments)))
def test_each_letter_is_one_actions_and_the_same_in_every_world(tmp_path: Path, subject: Subject) -> None:
    incident = {verb.action: verb.letter for verb in found(tmp_path, subject)}
    assert len(set(incident.values())) == len(incident) and "" not in incident.values()
    assert not RESERVED & set(incident.values())
    for world in ("calm", "stale", "locks"):
        assert {verb.action: verb.letter for verb in found(tmp_path, subject, world)} == incident


def test_all_actions_at_once_still_have_letters_while_the_alphabet_lasts() -> None:
    letters = mnemonics(list(ACTIONS))
    assert len(set(letters.values())) == len(ACTIONS)
    assert list(mnemonics([f"x.{n}" for n in range(40)]).values()).count("") == 40 - 26 + len(RESERVED)


def test_what_helps_comes_first_and_what_will_not_help_last_with_the_reason(tmp_path: Path) -> None:
    ill, healthy = (found(tmp_path, subjects.provider(name)) for name in ("smsbower", "5sim"))
    assert ill[0].weight > 0.5 and ill[0].title != ACTIONS[ill[0].action].title
    disable = next(verb for verb in healthy if verb.action == "provider.disable")
    assert disable.detail.startswith("will not help: 5sim is healthy")
    assert healthy.index(disable) > next(n for n, verb in enumerate(healthy) if verb.weight >= 0)


def test_what_is_not_reached_says_why_and_comes_last(tmp_path: Path) -> None:
    restart = next(verb for verb in found(tmp_path, KINDS[2]) if verb.action == "pods.restart")
    assert restart.why_not
    mixed = found(tmp_path, KINDS[1])
    assert [bool(verb.why_not) for verb in mixed] == sorted(bool(verb.why_not) for verb in mixed)


def test_a_console_that_only_observes_offers_no_action(tmp_path: Path) -> None:
    assert found(tmp_path, subjects.provider("smsbower"), capabilities=OBSERVER) == []
