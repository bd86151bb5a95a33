"""A runbook held against readings: what fits, which branch the numbers pick, and what stays open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sample_readings as sample
from hypothesis import given as drawn
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from runbook_readings import CALM, NOW, OUTAGE, abandoned, circuit, purchases, readings, traffic

from nexconsole.actions.registry import COMMANDS
from nexconsole.model import Reading, Value
from nexconsole.runbook.library import shipped
from nexconsole.runbook.model import Branch, Step
from nexconsole.runbook.parser import parse
from nexconsole.runbook.problems import check
from nexconsole.runbook.resolution import Node, _excludes, bindings, fitting, level, resolve
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals.alerts import Alert, Alerts
from nexconsole.signals.balances import Balances
from nexconsole.signals.circuits import Circuits
from nexconsole.signals.database import Database
from nexconsole.signals.database_cpu import BUSY, DatabaseCpu
from nexconsole.signals.database_sessions import DatabaseSession
from nexconsole.signals.findings import Finding
from nexconsole.signals.funnel import Funnel
from nexconsole.signals.outbox import Outbox, OutboxEvent, OutboxEvents
from nexconsole.signals.releases import Release
from nexconsole.signals.reservations import Reservations
from nexconsole.signals.search import Search
from nexconsole.signals.slots import SlotProvider, Slots, Wait
from nexconsole.signals.transactions import Scope

BOOK = shipped()
SETTINGS = Settings()


SESSION = DatabaseSession(
    pid=41,
    user="u",
    application="psql",
    state="idle in transaction",
    transaction_s=38.0,
    query_s=30.0,
    wait=None,
    blocked_by=(),
    blocks=14,
    query="UPDATE wallets",
)
STALL = Database(sessions=(SESSION,), blocked=14, idle_in_transaction=1, connections=20, max_connections=97)


def fits(given_readings) -> list[str]:
    return [fit.scenario.number or fit.scenario.id for fit in fitting(BOOK, given_readings, SETTINGS, NOW)]


def tree(id: str, given_readings, answers=None, taken=None) -> dict[str, Node]:
    """Every node by its step's id without the scenario's."""
    nodes: dict[str, Node] = {}

    def add(branch: tuple[Node, ...]) -> None:
        for node in branch:
            nodes[node.step.id.partition("/")[2]] = node
            add(node.nodes)

    add(resolve(BOOK.chapter(id), given_readings, SETTINGS, NOW, answers, taken))
    return nodes


# --- gates --------------------------------------------------------------------------------------------------------

RUN = "if-reconcile.stopped/if-refunds-is-not-refused/reconcile.run"
ASKED = "stuck-reservations/if-reconcile.stopped/refunds"


@pytest.mark.parametrize(
    ("answers", "applies", "gated"),
    [
        ({}, True, True),
        ({ASKED: "maybe"}, True, True),
        ({ASKED: "accepted"}, True, False),
        ({ASKED: "none"}, True, False),
        ({ASKED: "refused"}, False, False),
    ],
)
@pytest.mark.parametrize("taken", [{}, {"stuck-reservations/if-reconcile.stopped/if-refunds-is-not-refused": {}}])
def test_a_question_that_guards_an_action_is_a_gate_until_it_is_answered(answers, applies, gated, taken):
    nodes = tree("stuck-reservations", readings(), answers, {"stuck-reservations/if-reconcile.stopped": {}, **taken})
    node = nodes[RUN]
    assert (node.gate.id if node.gate else None) == (ASKED if gated else None)
    assert BOOK.chapter("stuck-reservations").place(ASKED) == "8.1"
    if not gated and not taken:
        assert node.applies is applies


def test_what_a_probe_can_not_tell_is_no_gate():
    nodes = tree("high-purchase-failure-rate", readings(transactions=None, workloads=None))
    assert nodes["if-transactions.scope-is-one/provider.disable"].gate is None
    hanging = next(node for id, node in nodes.items() if id.endswith("/pods.restart"))
    assert hanging.gate is not None and hanging.gate.id.endswith("/pods-hang")


def test_a_place_is_counted_as_in_the_runbook():
    chapter = BOOK.chapter("stuck-reservations")
    assert [chapter.place(step.id) for step in chapter.steps[:2]] == ["1", "2"]
    assert chapter.place("stuck-reservations/nowhere") == ""


# --- triggers -----------------------------------------------------------------------------------------------------


def test_on_a_calm_day_no_scenario_fits():
    assert fits(readings()) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"transactions": OUTAGE}, ["1"]),
        ({"transactions": purchases(40)}, []),
        ({"workloads": replace(CALM["workloads"], ready=0)}, ["1"]),
        ({"alerts": Alerts(firing=(Alert(name="HighPurchaseFailureRate", severity="", since=None),))}, ["1"]),
        ({"reservations": Reservations(pending=51, stuck=0, oldest_s=1.0)}, ["2"]),
        ({"reservations": Reservations(pending=50, stuck=50, oldest_s=1.0)}, []),
        ({"alerts": Alerts(firing=(Alert(name="StuckReservations", severity="", since=None),))}, ["2"]),
        ({"circuits": Circuits(providers=(circuit("a", "open"), circuit("b")))}, ["3"]),
        ({"circuits": Circuits(providers=(circuit("a", "open", active=False), circuit("b")))}, []),
        ({"circuits": Circuits(providers=(circuit("a", flapping=True), circuit("b")))}, ["3"]),
        ({"circuits": Circuits(providers=(circuit("a", "open"),))}, ["1", "3"]),
        ({"outbox": replace(CALM["outbox"], failed=1)}, ["4"]),
        ({"slots": sample.slots(smsbower=60.0)}, ["5"]),
        ({"slots": sample.slots(smsbower=59.0)}, []),
        ({"outbox": replace(CALM["outbox"], oldest_pending_s=181.0)}, ["4"]),
        ({"locks": abandoned(1)}, ["flush-abandoned-locks"]),
        ({"locks": abandoned(1), "transactions": OUTAGE}, ["1", "flush-abandoned-locks"]),
        ({"locks": abandoned(0)}, []),
    ],
)
def test_each_scenario_opens_on_its_triggers(values, expected):
    assert fits(readings(**values)) == expected


STALLED = purchases(120, verdict="all")
PILED = Reservations(pending=80, stuck=60, oldest_s=400.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"database": STALL, "transactions": STALLED}, ["9", "1"]),
        ({"database": STALL, "transactions": STALLED, "reservations": PILED}, ["9", "1", "2"]),
        ({"database": STALL, "reservations": PILED}, ["9", "2"]),
        # one provider fails: sessions that block others are no reason for that
        ({"database": STALL, "transactions": OUTAGE}, ["1", "9"]),
        ({"database": replace(STALL, blocked=4), "transactions": STALLED}, ["1"]),
    ],
)
def test_the_scenario_of_the_cause_comes_before_those_of_its_symptoms(values, expected):
    assert fits(readings(**values)) == expected


def test_what_was_read_long_ago_explains_nothing():
    old = readings(90, database=STALL)["database"]
    assert fits(readings(transactions=STALLED) | {"database": old}) == ["1", "9"]


def test_what_explains_each_other_ends_and_keeps_the_severe_one_first():
    text = (
        "## {n}. {name} (SEV-{n})\n### Trigger\n- now `outbox.failed > 0`\n### Explains\n- it `#{other}`\n"
        "### Steps\n- Look: x `outbox.failed`\n"
    )
    book = parse(text.format(n=1, name="One", other="two") + text.format(n=2, name="Two", other="one")).runbook
    found = fitting(book, readings(outbox=replace(CALM["outbox"], failed=1)), SETTINGS, NOW)
    assert sorted(fit.scenario.id for fit in found) == ["one", "two"]


def test_what_a_chapter_explains_is_a_chapter():
    ids = {chapter.id for chapter in BOOK.chapters()}
    explained = {each.scenario for chapter in BOOK.chapters() for each in chapter.explains}
    assert explained and explained <= ids


@pytest.mark.parametrize("item", ["no id", "two `a is b` `c is d` `#one`", "bad `#one` `outbox.failed >`", "self `#x`"])
def test_an_explanation_that_can_not_be_understood_is_a_problem(item):
    text = "## 1. X (SEV-1)\n### Trigger\n- now `outbox.late`\n### Explains\n"
    text += f"- {item}\n### Steps\n- Look: x `outbox.late`\n"
    assert [problem.line for problem in check(text, COMMANDS)] == [5]


def test_of_several_scenarios_the_most_severe_comes_first_with_its_reason():
    found = fitting(BOOK, readings(outbox=replace(CALM["outbox"], failed=1), transactions=OUTAGE), SETTINGS, NOW)
    assert [fit.scenario.severity for fit in found] == ["SEV-1", "SEV-3"]
    assert found[0].because == "17.8 %: 71 of 400 purchases failed in 5 min"
    assert not found[0].stale


def test_a_source_that_fell_silent_ends_no_incident_and_begins_none():
    silent = readings(age_s=600, error="refused", transactions=OUTAGE)
    (fit,) = fitting(BOOK, silent, SETTINGS, NOW)
    assert fit.stale
    assert fits(readings(**dict.fromkeys(CALM))) == []


# --- the levels of severity ---------------------------------------------------------------------------------------


def agreement(given_readings) -> tuple[str, str]:
    return level(BOOK.levels, given_readings, SETTINGS, NOW), judge(given_readings, SETTINGS, NOW).level


states = st.sampled_from(["open", "half-open", "closed", "unknown"])
waits = st.sampled_from([3.0, 9.0, 10.0, 59.0, 60.0, 900.0])
amounts = st.sampled_from([0, 1, 4, 5, 6, 10, 19, 20, 39, 40, 41, 49, 50, 51, 100, 180, 181, 400])


@st.composite
def worlds(draw) -> dict[str, Reading]:
    """Readings around every limit, some of them missing."""
    attempts = draw(amounts)
    providers = tuple(
        traffic(name, most, draw(st.integers(0, most))) for name, most in (("a", draw(amounts)), ("b", draw(amounts)))
    )
    circuits = tuple(
        circuit(
            name, draw(states), active=draw(st.sampled_from([True, True, False, None])), flapping=draw(st.booleans())
        )
        for name in draw(st.sampled_from(["", "a", "ab"]))
    )
    desired = draw(st.integers(0, 3))
    latency = draw(st.sampled_from([None, 4.9, 5.0, 5.1]))
    values = {
        "transactions": replace(
            purchases(draw(st.integers(0, attempts)), attempts), latency_p95_s=latency, providers=providers
        ),
        "circuits": Circuits(providers=circuits, pods=2, pods_followed=2),
        "outbox": Outbox(pending=1, failed=draw(st.integers(0, 1)), dropped=0, oldest_pending_s=draw(amounts)),
        "reservations": Reservations(pending=draw(amounts), stuck=draw(amounts), oldest_s=1.0),
        "locks": abandoned(draw(st.integers(0, 1)), swept_at=draw(st.sampled_from([None, NOW]))),
        "database": Database(
            connections=draw(st.integers(85, 95)), max_connections=100, blocked=draw(st.integers(0, 6))
        ),
        "workloads": replace(
            CALM["workloads"],
            desired=desired,
            ready=draw(st.integers(0, desired)),
            rollout=draw(st.sampled_from(["complete", "progressing", "paused", "stuck"])),
        ),
        "alerts": Alerts(
            firing=tuple(
                Alert(name="X", severity=word, since=None)
                for word in draw(st.sets(st.sampled_from(["critical", "warning", "info"])))
            )
        ),
        "slots": Slots(
            waits=tuple(
                sorted(
                    (
                        Wait(name=name, id=name, active=draw(st.booleans()), wait_s=draw(waits))
                        for name in draw(st.sampled_from(["", "a", "ab"]))
                    ),
                    key=lambda wait: -wait.wait_s,
                )
            ),
            providers=tuple(SlotProvider(id=name, name=name, active=True) for name in "ab"),
        ),
        "balances": Balances(
            balances=tuple(
                sample.balance(
                    name,
                    draw(st.sampled_from(["empty", "low", "enough", "unknown"])),
                    1.0,
                    old=draw(st.booleans()),
                    active=draw(st.booleans()),
                )
                for name in "ab"
            )
        ),
        "search": Search(up=draw(st.booleans())),
        "database_cpu": DatabaseCpu(used=draw(st.sampled_from([0.3, 0.9, 0.91]))),
        "integrity": sample.integrity(
            *(
                Finding(kind=kind, level=draw(st.sampled_from(["SEV-1", "SEV-2", "SEV-3", "none"])), text="gone")
                for kind in draw(st.sets(st.sampled_from(["data", "security"])))
            )
        ),
    }
    blind = draw(st.sets(st.sampled_from(sorted(values))))
    return readings(**{name: None if name in blind else value for name, value in values.items()})


@hypothesis_settings(max_examples=300, deadline=None)
@drawn(worlds())
def test_the_severity_that_the_markdown_states_is_the_one_that_the_console_judges(world):
    stated, judged = agreement(world)
    assert stated == judged


def test_the_limits_in_the_markdown_are_the_settings_defaults():
    stated = {
        (each.name, part.call.name): part.value
        for each in BOOK.levels
        for rule in each.rules
        if rule.condition
        for part in rule.condition.parts
    }
    rules = SETTINGS.severity
    assert stated["SEV-1", "transactions.rate"] == pytest.approx(rules.critical_rate)
    assert stated["SEV-2", "transactions.rate"] == pytest.approx(rules.high_rate)
    assert stated["SEV-2", "transactions.latency"] == rules.latency_s
    assert stated["SEV-3", "transactions.worst"] == pytest.approx(SETTINGS.transactions.provider_failing)
    assert stated["SEV-2", "slots.worst"] == SETTINGS.slots.stalled_s
    assert stated["SEV-3", "slots.worst"] == SETTINGS.slots.late_s
    assert stated["SEV-2", "database.cpu"] == pytest.approx(BUSY)
    assert stated["SEV-2", "reservations.pending"] == SETTINGS.reservations.limit
    assert stated["SEV-3", "reservations.stuck"] == SETTINGS.reservations.alert_limit


# --- trees --------------------------------------------------------------------------------------------------------


def test_the_branch_that_the_numbers_support_applies_and_the_other_is_greyed_with_the_reason():
    nodes = tree("high-purchase-failure-rate", readings(transactions=OUTAGE))
    one, all_ = nodes["if-transactions.scope-is-one"], nodes["if-transactions.scope-is-all"]
    assert (one.applies, all_.applies) == (True, False)
    assert all_.because == "one provider, smsbower: the counts"
    inside = nodes["if-transactions.scope-is-all/if-database.blockers-over-0/backend.terminate"]
    assert (inside.applies, inside.because) == (False, all_.because)


def test_a_look_answers_and_a_do_has_its_arguments_filled_in():
    nodes = tree("high-purchase-failure-rate", readings(transactions=OUTAGE))
    assert nodes["transactions.rate"].answer.value == pytest.approx(0.1775)
    assert nodes["if-transactions.scope-is-one/circuits.state"].answer.text == "smsbower: closed"
    do = nodes["if-transactions.scope-is-one/provider.disable"]
    assert (do.applies, do.arguments, do.missing) == (True, ("smsbower",), "")


def test_what_is_not_known_greys_nothing_and_fills_in_nothing():
    nodes = tree("high-purchase-failure-rate", readings(transactions=None))
    one = nodes["if-transactions.scope-is-one"]
    assert (one.applies, one.truth.holds) == (None, None)
    do = nodes["if-transactions.scope-is-one/provider.disable"]
    assert (do.applies, do.arguments) == (None, None)
    assert do.missing.startswith("{provider} is not known: ") and do.missing.count("not known") == 1


def test_a_branch_is_not_picked_by_an_old_reading():
    nodes = tree("high-purchase-failure-rate", readings(age_s=61, error="refused", transactions=OUTAGE))
    one = nodes["if-transactions.scope-is-one"]
    assert one.applies is None
    assert one.because.startswith("not known any more: one provider, smsbower")
    assert tree("high-purchase-failure-rate", readings(age_s=59, error="x", transactions=OUTAGE))[
        "if-transactions.scope-is-one"
    ].applies


@pytest.mark.parametrize(
    ("values", "branch", "applies"),
    [
        ({"balances": sample.balances(sample.balance("5sim", "empty", 0.0))}, "balances.empty-over-0", True),
        ({}, "balances.empty-over-0", False),
        ({"database_cpu": DatabaseCpu(used=0.81)}, "database.cpu-over-80", True),
        ({"database_cpu": DatabaseCpu(used=0.79)}, "database.cpu-over-80", False),
        ({"database_cpu": None}, "database.cpu-over-80", None),
    ],
)
def test_what_people_were_asked_a_machine_reads_now(values, branch, applies):
    world = readings(transactions=purchases(80, verdict="all"), **values)
    nodes = tree("high-purchase-failure-rate", world)
    assert nodes[f"if-transactions.scope-is-all/if-{branch}"].applies is applies


@pytest.mark.parametrize(
    ("search", "up", "down"),
    [(Search(up=True), True, False), (Search(up=False), False, True), (None, None, None)],
)
def test_the_outbox_is_processed_only_while_the_search_index_is_up(search, up, down):
    nodes = tree("outbox-worker-lag", readings(outbox=replace(CALM["outbox"], oldest_pending_s=900.0), search=search))
    inside = [nodes[name].applies for name in ("if-outbox.late/if-search.up", "if-search.up-is-no")]
    assert inside == [up, down]


def test_who_makes_purchases_wait_is_handed_to_the_action():
    nodes = tree("purchases-wait-for-slots", readings(slots=sample.slots(smsbower=6031.0)))
    do = nodes["if-slots.worst-at-least-60-s/slots.clear"]
    assert (do.applies, do.arguments) == (True, ("smsbower",))


def test_who_blocks_is_handed_to_the_action():
    given_readings = readings(transactions=purchases(80, verdict="all"), database=STALL)
    nodes = tree("high-purchase-failure-rate", given_readings)
    do = nodes["if-transactions.scope-is-all/if-database.blockers-over-0/backend.terminate"]
    assert (do.applies, do.arguments) == (True, ("41",))


def test_an_answer_of_a_person_picks_a_branch_and_no_answer_picks_none():
    path = "provider-circuit-breaker-open/if-circuits.flapping-provider-is-no"
    world = readings(circuits=Circuits(providers=(circuit("a", "open"), circuit("b")), pods=1, pods_followed=1))
    ask, well, ill = (f"{path}/{key}".partition("/")[2] for key in ("healthy", "if-healthy-is-yes", "if-healthy-is-no"))
    nodes = tree("provider-circuit-breaker-open", world)
    assert (nodes[ask].answered, nodes[well].applies, nodes[ill].applies) == (None, None, None)
    assert nodes[well].because == "nobody has answered healthy yet"
    for word, picked in (("yes", (True, False)), ("no", (False, True)), ("perhaps", (None, None))):
        nodes = tree("provider-circuit-breaker-open", world, {f"{path}/healthy": word})
        assert (nodes[well].applies, nodes[ill].applies) == picked
    assert nodes[f"{well}/circuit.close"].arguments == ("a",)


CPU = """# Scenarios

## 1. Slow (SEV-2)

### Trigger

- Some. `locks.abandoned > 0`

### Steps

1. Ask: how many per cent of the CPU are in use? `cpu is a number`
2. If it is the limit, `cpu > 80`:
   - Ask: who has ordered a larger one? `scaled-by is a text`
"""


def test_a_number_that_a_person_read_is_compared():
    scenario, world = "slow", readings()
    book = parse(CPU).runbook
    for said, picked in (("93.5", True), ("80", False), ("a lot", None), ("nan", None)):
        nodes = resolve(book.chapter(scenario), world, SETTINGS, NOW, {f"{scenario}/cpu": said})
        assert nodes[1].applies is picked


def test_a_name_that_a_person_gave_reaches_the_action():
    nodes = tree("disable-a-provider", readings(), {"disable-a-provider/provider": "5sim"})
    assert nodes["provider.disable"].arguments == ("5sim",)
    missing = tree("disable-a-provider", readings())["provider.disable"].missing
    assert missing == "{provider} is not known: nobody has answered it yet"


def test_a_failed_event_is_handed_to_its_retry():
    event = OutboxEvent(
        id="e1", event_type="t", aggregate_type="a", status="FAILED", retries=1, age_s=60.0, error="index down"
    )
    world = readings(outbox=replace(CALM["outbox"], failed=1)) | {
        "outbox events": Reading(signal="outbox events", every=2, value=OutboxEvents(events=(event,)), taken_at=NOW)
    }
    path = "outbox-worker-lag/if-outbox.failed-over-0"
    for cause, applies in (("index", True), ("release", True), ("content", False)):
        nodes = tree("outbox-worker-lag", world, {f"{path}/cause": cause})
        do = nodes["if-outbox.failed-over-0/if-cause-is-not-content/outbox.retry"]
        assert (do.applies, do.arguments) == (applies, ("e1",))


def test_all_events_that_failed_with_one_error_are_handed_to_one_retry_by_that_error():
    events = tuple(
        OutboxEvent(id=f"e{n}", event_type="t", aggregate_type="a", status="FAILED", retries=1, age_s=60.0, error=error)
        for n, error in enumerate(("connect ECONNREFUSED 10.0.0.7:7700", "another"))
    )
    path = "outbox-worker-lag/if-outbox.failed-over-0"
    for failed, applies in ((1, False), (2, True)):
        world = readings(outbox=replace(CALM["outbox"], failed=failed)) | {
            "outbox events": Reading(signal="outbox events", every=2, value=OutboxEvents(events=events), taken_at=NOW)
        }
        nodes = tree("outbox-worker-lag", world, {f"{path}/cause": "index"})
        do = nodes["if-outbox.failed-over-0/if-cause-is-not-content/if-outbox.failed-over-1/outbox.retry-all"]
        assert (do.applies, do.arguments) == (applies, ("all", "connect ECONNREFUSED 10.0.0.7:7700"))


def test_a_branch_that_was_taken_stays_when_its_own_success_ends_its_condition():
    before = tree("high-purchase-failure-rate", readings(transactions=OUTAGE))["if-transactions.scope-is-one"]
    taken = {before.step.id: bindings(before)}
    assert taken == {"high-purchase-failure-rate/if-transactions.scope-is-one": {"provider": "smsbower"}}
    healed = readings(transactions=purchases(2))
    assert tree("high-purchase-failure-rate", healed)["if-transactions.scope-is-one"].applies is False
    nodes = tree("high-purchase-failure-rate", healed, taken=taken)
    assert nodes["if-transactions.scope-is-one"].applies is True
    attempts = nodes["if-transactions.scope-is-one/transactions.attempts"]
    assert (attempts.applies, attempts.answer.text) == (True, "0 purchases from smsbower tried in 5 min")


def test_numbers_that_heal_open_no_other_branch_beside_the_one_that_was_taken():
    failing = readings(transactions=replace(OUTAGE, scope=Scope(verdict="all", because="all three fail")))
    before = tree("high-purchase-failure-rate", failing)
    assert before["if-transactions.scope-is-all"].applies is True
    taken = {before["if-transactions.scope-is-all"].step.id: {}}
    healing = readings(transactions=replace(OUTAGE, scope=Scope(verdict="some", because="two of three fail")))
    assert tree("high-purchase-failure-rate", healing)["if-transactions.scope-is-some"].applies is True
    nodes = tree("high-purchase-failure-rate", healing, taken=taken)
    assert nodes["if-transactions.scope-is-all"].applies is True
    other = nodes["if-transactions.scope-is-some"]
    assert other.applies is False
    assert other.because.startswith('the branch for "all providers fail" was taken; by now some of the providers')
    both = taken | {other.step.id: {}}  # somebody goes down the other one all the same
    assert tree("high-purchase-failure-rate", healing, taken=both)["if-transactions.scope-is-some"].applies is True


def test_a_taken_branch_closes_none_that_asks_something_else():
    before = tree("high-purchase-failure-rate", readings(transactions=OUTAGE))
    one = before["if-transactions.scope-is-one"].step.id
    world = readings(transactions=OUTAGE, circuits=Circuits(providers=(circuit("a", "open"),)))
    nodes = tree("high-purchase-failure-rate", world, taken={one: {"provider": "smsbower"}})
    assert nodes["if-transactions.scope-is-one/if-providers.healthy-is-0"].applies is True


def test_a_look_that_was_settled_keeps_the_name_that_it_gave():
    flapping = readings(
        circuits=Circuits(providers=(circuit("a", flapping=True), circuit("b")), pods=1, pods_followed=1)
    )
    nodes = tree("provider-circuit-breaker-open", flapping)
    look = nodes["circuits.state"]
    calm = tree("provider-circuit-breaker-open", readings(), taken={look.step.id: {"provider": "a"}})
    assert calm["settled"].missing == "" and "no provider named a was seen" in calm["settled"].answer.text


def test_a_step_that_is_done_again_takes_what_is_found_by_then_and_not_what_was_kept():
    def world(*ids: str) -> dict[str, Reading]:
        events = tuple(
            OutboxEvent(id=id, event_type="t", aggregate_type="a", status="FAILED", retries=1, age_s=60.0, error="e")
            for id in ids
        )
        return readings(outbox=replace(CALM["outbox"], failed=1)) | {
            "outbox events": Reading(signal="outbox events", every=2, value=OutboxEvents(events=events), taken_at=NOW)
        }

    path = "outbox-worker-lag/if-outbox.failed-over-0"
    taken = {f"{path}/outbox.event": {"event": "e1"}, path: {}}

    def retry(*ids: str):
        nodes = tree("outbox-worker-lag", world(*ids), {f"{path}/cause": "release"}, taken)
        return nodes["if-outbox.failed-over-0/if-cause-is-not-content/outbox.retry"]

    assert (retry("e1", "e2").arguments, retry("e1", "e2").again) == (("e1",), ("e1",))
    assert (retry("e2").arguments, retry("e2").again) == (("e1",), ("e2",))
    assert (retry().arguments, retry().again) == (("e1",), None)
    assert retry().over == "{event} is not known: no event is FAILED"


def test_a_fresh_release_leads_to_the_way_back_and_an_old_one_does_not():
    def applies(age_s: float | None):
        since = None if age_s is None else NOW - timedelta(seconds=age_s)
        release = Release(revision="2", read_at=NOW, images="app:2", since=since, before="app:1")
        nodes = tree("outbox-worker-lag", readings(workloads=replace(CALM["workloads"], release=release)))
        return nodes["if-workloads.released-under-1-h/rollout.undo"].applies

    assert [applies(age) for age in (540, 7200, None)] == [True, False, None]


STEPS = "## 1. T (SEV-3)\n\n### Trigger\n\n- x `outbox.late`\n\n### Steps\n\n"


def truth(condition: str, **values: Value | None) -> bool | None:
    text = f"{STEPS}1. If so, `{condition}`:\n   - Ask: well?\n"
    assert check(text, COMMANDS) == ()
    (node,) = resolve(parse(text).runbook.scenarios[0], readings(**values), SETTINGS, NOW)
    return node.applies


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("outbox.pending is 3", True),
        ("outbox.pending is not 3", False),
        ("outbox.pending >= 3", True),
        ("outbox.pending > 3", False),
        ("outbox.pending < 3", False),
        ("outbox.pending <= 3", True),
        ("transactions.rate is 1 %", True),
        ("transactions.scope is not one", True),
        ("outbox.oldest < 1 min", True),
        ("outbox.late", False),
        ("outbox.late is no", True),
        ("outbox.late is not yes", True),
        ("transactions.latency > 1 s", None),
        ("transactions.latency is not 1 s", None),
        ("outbox.late and transactions.latency > 1 s", False),
        ("outbox.late or transactions.latency > 1 s", None),
        ("outbox.pending is 3 or transactions.latency > 1 s", True),
        ("outbox.pending is 3 and transactions.latency > 1 s", None),
        ("outbox.pending is 3 and outbox.failed is 0", True),
        ("outbox.pending > 3 or outbox.failed > 0", False),
    ],
)
def test_conditions_have_three_values(condition, expected):
    assert truth(condition) is expected


def test_every_step_of_the_shipped_runbook_resolves_on_any_readings():
    for world in ({}, readings(), readings(transactions=OUTAGE, database=STALL), readings(**dict.fromkeys(CALM))):
        for chapter in BOOK.chapters():
            nodes = tree(chapter.id, world)
            assert {f"{chapter.id}/{key}" for key in nodes} == {step.id for step in chapter.walk()}
            assert all(isinstance(node.step, Step | Branch) for node in nodes.values())


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("slots.worst >= 60 s", "slots.worst < 60 s and transactions.blocked", True),
        ("slots.worst >= 60 s", "slots.worst <= 60 s", False),
        ("slots.worst > 60 s", "slots.worst <= 60 s", True),
        ("workloads.missing > 0", "workloads.missing is 0", True),
        ("workloads.missing >= 0", "workloads.missing is 0", False),
        ("workloads.missing > 0", "database.blockers is 0", False),
        ("search.up", "search.up is no", True),
        ("search.up", "search.up is yes", False),
        ("transactions.scope is one", "transactions.scope is some", True),
        ("transactions.scope is one", "transactions.scope is not one", True),
        ("transactions.scope is one", "transactions.scope is not some", False),
        ("slots.worst >= 60 s or search.up", "slots.worst < 60 s", False),
    ],
)
def test_two_branches_exclude_each_other_where_no_value_opens_both(one, other, apart):
    steps = f"{STEPS}1. If one, `{one}`:\n   - Ask: well?\n2. If other, `{other}`:\n   - Ask: well then?\n"
    first, second = parse(steps).runbook.scenarios[0].steps
    assert _excludes(first, second) is _excludes(second, first) is apart


def test_of_equally_severe_scenarios_the_one_of_the_leading_reason_comes_first():
    hanging = replace(OUTAGE, failure_rate=0.5)
    refusing = Funnel(window_s=300, rests_on_s=300.0, refused={"no route": 440}, sold=35, pods=1, pods_followed=1)
    world = readings(transactions=hanging, funnel=refusing)
    first = [
        fitting(BOOK, world, Settings(), NOW, (leading,))[0].scenario.number for leading in ("transactions", "funnel")
    ]
    assert first == ["1", "6"]
