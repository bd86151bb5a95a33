"""The audit: a runbook held against the living systems, so that it is found wrong before the night."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
import sample_readings
from runbook_readings import CALM, NOW, OUTAGE, readings

from nexconsole.actions.audit import auditor
from nexconsole.actions.registry import COMMANDS
from nexconsole.errors import ActionError, BadAnswer
from nexconsole.model import Reading, Value
from nexconsole.runbook.audit import AuditFinding, AuditLine, as_json, as_text, audit, exit_code
from nexconsole.runbook.library import shipped
from nexconsole.runbook.model import Runbook
from nexconsole.runbook.parser import parse
from nexconsole.settings import Settings, SeverityRules, SlotRules
from nexconsole.signals.alerts import Alerts, RunbookAlert
from nexconsole.sources import open_sources

SOUND = {name: RunbookAlert(name=name, exists=True, can_fire=True) for name in shipped().alerts()}
WELL: dict[str, Value] = {
    "alerts": Alerts(runbook=tuple(SOUND.values())),
    "transactions": replace(CALM["transactions"], latency_p95_s=1.0, providers=OUTAGE.providers),
    "outbox": replace(CALM["outbox"], drained_per_min=10.0, arrived_per_min=10.0),
    **{
        name: sample_readings.calm()[name].value
        for name in ("slots", "balances", "search", "funnel", "integrity", "customers", "changes")
    },
}
STEPS = "## 1. T (SEV-3)\n\n### Trigger\n\n- x `outbox.late`\n\n### Steps\n\n"


async def willing(name: str, arguments: Mapping[str, str | None]) -> AuditFinding:
    assert set(arguments) <= {argument.name for argument in COMMANDS[name].arguments}
    return AuditFinding(ok=True, said="prepared, and allowed")


async def both(path: str) -> tuple[str, ...]:
    return ("GET", "HEAD", "OPTIONS")


async def held(book: Runbook | None = None, world=None, action=willing, methods=both, settings=Settings()):  # noqa: B008
    return await audit(
        book or shipped(), readings(**WELL) if world is None else world, settings, NOW, COMMANDS, action, methods
    )


def wrong(lines: tuple[AuditLine, ...]) -> list[AuditLine]:
    return [line for line in lines if line.state == "wrong"]


def own(steps: str) -> Runbook:
    return parse(STEPS + steps).runbook


async def test_on_a_quiet_day_with_everything_in_place_the_runbook_is_good():
    lines = await held()
    assert wrong(lines) == []
    assert exit_code(lines) == 0
    assert as_text(lines).endswith(f"{len(lines)} lines, all good")


async def test_there_is_a_line_for_every_rule_trigger_condition_and_step():
    lines, book = await held(), shipped()
    steps = {step.id for chapter in book.chapters() for step in chapter.walk()}
    assert {line.step for line in lines if line.step} == steps
    numbers = {line.line for line in lines}
    assert {rule.line for level in book.levels for rule in level.rules} <= numbers
    assert {trigger.line for chapter in book.chapters() for trigger in chapter.triggers} <= numbers


async def test_an_alert_that_is_not_there_or_can_never_fire_is_warned_of_while_another_trigger_works():
    broken = SOUND | {
        "StuckReservations": RunbookAlert(name="StuckReservations", exists=True, can_fire=False, why="constant 0"),
        "OutboxProcessingFailed": RunbookAlert(name="OutboxProcessingFailed", exists=False, can_fire=False),
    }
    lines = await held(world=readings(**WELL | {"alerts": Alerts(runbook=tuple(broken.values()))}))
    warned = [line for line in lines if line.state == "warn"]
    assert (exit_code(lines), wrong(lines)) == (0, [])
    assert [(line.kind, line.chapter) for line in warned] == [
        ("trigger", "Stuck reservations"),
        ("trigger", "Outbox worker lag"),
    ]
    rule, other = warned[0].advice.split("; ")
    assert rule == "it takes a rule StuckReservations that can fire"
    assert other == "until then `reservations.pending > 50` opens the scenario"
    assert warned[1].advice.startswith("it takes an alert rule named OutboxProcessingFailed; until then `outbox.late`")
    assert "its silence proves nothing: constant 0" in warned[0].said
    text = as_text(lines)
    assert text.count("  WARN  ") == 2 and f"{len(lines)} lines, 2 warnings\nWARN: this alert" in text
    document = json.loads(as_json(lines, NOW))
    assert (document["ok"], document["wrong"], document["warnings"]) == (True, 0, 2)


@pytest.mark.parametrize(
    ("triggers", "states"),
    [
        (("alerts.firing Gone",), ["wrong"]),
        (("alerts.firing Gone", "alerts.firing Mute"), ["wrong", "wrong"]),
        (("alerts.firing Gone", "alerts.firing Well"), ["warn", "ok"]),
        (("outbox.late", "alerts.firing Gone"), ["ok", "warn"]),
        (("outbox.late", "alerts.firing Gone or alerts.firing Mute"), ["ok", "warn"]),
        # what can't be answered for another reason is wrong as before
        (("outbox.late", "reservations.pending > 50 and alerts.firing Gone"), ["ok", "wrong"]),
        (("reservations.pending > 50", "alerts.firing Gone"), ["wrong", "wrong"]),
    ],
)
async def test_a_silent_alert_is_wrong_where_no_other_trigger_of_its_scenario_works(triggers, states):
    alerts = Alerts(
        runbook=(
            RunbookAlert(name="Gone", exists=False, can_fire=False),
            RunbookAlert(name="Mute", exists=True, can_fire=False),
            RunbookAlert(name="Well", exists=True, can_fire=True),
        )
    )
    lines = "".join(f"- x `{trigger}`\n" for trigger in triggers)
    book = parse(f"## 1. T (SEV-3)\n\n### Trigger\n\n{lines}\n### Steps\n\n1. Ask: well?\n").runbook
    held_to = await held(book, world=readings(**WELL | {"alerts": alerts, "reservations": None}))
    assert [line.state for line in held_to if line.kind == "trigger"] == states
    assert exit_code(held_to) == ("wrong" in states)


async def test_an_alert_that_could_not_be_looked_up_is_wrong_whatever_other_trigger_works():
    book = parse(STEPS.replace("### Steps", "- y `alerts.firing Gone`\n\n### Steps") + "1. Ask: x?\n").runbook
    lines = await held(book, world=readings(**WELL | {"alerts": None}))
    assert [line.state for line in lines if line.kind == "trigger"] == ["ok", "wrong"]


async def test_a_look_without_a_reading_or_with_an_old_one_is_wrong():
    for world in (readings(**WELL | {"outbox": None}), readings(**WELL, age_s=600, error="refused")):
        lines = wrong(await held(world=world))
        assert {"look", "trigger", "condition", "level"} == {line.kind for line in lines}


async def test_a_right_that_is_lacking_is_found_although_the_reading_is_fresh():
    blind = replace(CALM["database"], restricted=True, hidden=4)
    lines = wrong(await held(world=readings(**WELL | {"database": blind})))
    assert {line.advice for line in lines} == {"it takes GRANT pg_monitor to the console's role"}


async def test_an_action_that_can_not_be_prepared_or_is_not_allowed_is_wrong():
    async def forbidden(name: str, arguments: Mapping[str, str | None]) -> AuditFinding:
        if name == "pods.restart":
            return AuditFinding(ok=False, said="not allowed", advice="a Role with patch deployments")
        if name == "locks.flush" and arguments["family"] == "purchase":
            raise ActionError("redis is not configured")
        return await willing(name, arguments)

    lines = wrong(await held(action=forbidden))
    assert {(line.kind, line.said, line.advice) for line in lines} == {
        ("do", "not allowed", "a Role with patch deployments"),
        ("do", "redis is not configured", ""),
    }
    restarts = [step for chapter in shipped().chapters() for step in chapter.calls() if step.name == "pods.restart"]
    assert len(lines) == len(restarts) + 1


async def test_an_action_gets_its_words_and_nothing_for_what_only_the_night_will_tell():
    asked = []

    async def listening(name: str, arguments: Mapping[str, str | None]) -> AuditFinding:
        asked.append((name, dict(arguments)))
        return await willing(name, arguments)

    await held(action=listening)
    assert ("locks.flush", {"family": "purchase"}) in asked
    assert ("provider.disable", {"provider": None}) in asked
    assert ("reconcile.run", {}) in asked


async def test_a_route_must_export_the_method_and_any_of_several_routes_will_do():
    async def only_worker(path: str) -> tuple[str, ...]:
        if path == "/api/cron/worker":
            return ("GET", "OPTIONS")
        if path == "/api/cron/reconcile":
            return ("DELETE", "OPTIONS")
        raise BadAnswer("api", f"there is no route {path}")

    routes = {line.text.partition("`")[2]: line for line in await held(methods=only_worker) if line.kind == "route"}
    assert routes["outbox.process`"].said == "/api/cron/worker exports GET"
    assert routes["reconcile.run`"].state == "wrong"
    assert routes["reconcile.run`"].said == "/api/cron/reconcile exports DELETE, OPTIONS, not POST"


async def test_without_anybody_to_ask_actions_and_routes_are_wrong_not_good():
    lines = await audit(shipped(), readings(**WELL), Settings(), NOW, COMMANDS)
    assert {line.kind for line in wrong(lines)} == {"do", "route"}
    assert {line.state for line in lines if line.kind == "do"} == {"wrong"}


async def test_settings_that_judge_by_another_limit_than_the_runbook_are_wrong():
    strict = Settings(severity=SeverityRules(critical_rate=0.15))
    (line,) = wrong(await held(settings=strict))
    assert line.said == "the runbook says `transactions.rate > 10 %`, but severity.critical_rate is 0.15"


async def test_a_look_at_a_provider_is_tried_on_one_that_is_here():
    book = own("1. Look: who? `circuits.state`\n2. Look: active? `provider.active {provider}`\n")
    line = next(line for line in await held(book) if "provider.active" in line.text)
    assert (line.state, line.said) == ("ok", "smsbower is active (circuits, 2 s ago)")


async def test_nothing_to_hold_is_not_good():
    lines = await held(Runbook())
    assert (lines, exit_code(lines)) == ((), 1)


async def test_as_json_a_weekly_job_sees_what_is_wrong():
    lines = await held(action=willing, world=readings(**WELL | {"workloads": None}))
    document = json.loads(as_json(lines, NOW))
    assert document["ok"] is False and document["wrong"] == len(wrong(lines)) and document["at"]
    first = next(line for line in document["lines"] if line["state"] == "wrong")
    assert {"chapter", "line", "kind", "text", "state", "said", "advice", "step", "origin"} == first.keys()


async def test_the_logs_are_a_screen_and_wrong_only_where_no_pods_can_be_read():
    sources = open_sources(Settings())
    try:
        found = await auditor(sources, Settings(), readings(**WELL))("logs.show", {})
    finally:
        await sources.close()
    assert not found.ok and found.said.startswith("logs can't be followed: set kubernetes.kubeconfig (KUBECONFIG) or")


async def test_a_look_at_what_an_installation_may_do_without_is_warned_of_and_one_that_fails_is_wrong():
    absent = {
        name: Reading(signal=name, every=2, attempted_at=NOW, absent=True, error=f"{name} is not configured: set it")
        for name in ("search", "database_cpu", "status_pages")
    }
    lines = await held(world=readings(**WELL) | absent)
    warned = [line for line in lines if line.state == "warn"]
    assert wrong(lines) == [] and exit_code(lines) == 0
    assert {line.kind for line in warned} == {"look"} and "search.up" in {line.text.split("`")[1] for line in warned}
    assert as_text(lines).endswith("WARN: this look needs something that an installation may do without")
    failing = {name: replace(reading, absent=False) for name, reading in absent.items()}
    assert exit_code(await held(world=readings(**WELL) | failing)) == 1


async def test_turns_that_are_judged_by_another_limit_are_wrong():
    (line,) = wrong(await held(settings=Settings(slots=SlotRules(late_s=5.0))))
    assert line.said == "the runbook says `slots.worst >= 10 s`, but slots.late_s is 5"
