"""Probes: pure functions of readings with three answers, yes, no and not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sample_readings as sample

from nexconsole.model import Reading, State, Value
from nexconsole.settings import Settings
from nexconsole.signals.alerts import Alert, Alerts, RunbookAlert
from nexconsole.signals.balances import Balances
from nexconsole.signals.circuits import Circuits, Holder, ProviderCircuit
from nexconsole.signals.customers import ProviderCountry
from nexconsole.signals.database import Database
from nexconsole.signals.database_cpu import DatabaseCpu
from nexconsole.signals.database_sessions import DatabaseSession
from nexconsole.signals.findings import Finding, IntegrityCheck
from nexconsole.signals.funnel import Funnel, ProviderFunnel
from nexconsole.signals.funnel_parts import FailingRun, PodFunnel
from nexconsole.signals.integrity import Integrity
from nexconsole.signals.lock_keys import Lock
from nexconsole.signals.locks import Family, Locks
from nexconsole.signals.outbox import Outbox, OutboxEvent, OutboxEvents
from nexconsole.signals.pods import Pod
from nexconsole.signals.probe import ProbeAnswer, answer
from nexconsole.signals.registry import probes
from nexconsole.signals.releases import Release
from nexconsole.signals.reservations import Pile, Reservations
from nexconsole.signals.runway import Ceiling
from nexconsole.signals.search import Search
from nexconsole.signals.status_pages import StatusPage, StatusPages
from nexconsole.signals.transactions import Point, ProviderTraffic, Scope, Transactions
from nexconsole.signals.workloads import Workloads

NOW = datetime(2026, 11, 23, 14, 7, 31, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def traffic(name: str, attempts: int, failures: int) -> ProviderTraffic:
    return ProviderTraffic(
        name=name, attempts=attempts, failures=failures, failure_rate=failures / attempts if attempts else None
    )


TRANSACTIONS = Transactions(
    failure_rate=0.1775,
    attempts=400,
    failures=71,
    window_s=300,
    latency_p95_s=2.1,
    scope=Scope(verdict="one", provider="smsbower", because="66 of 71 failures"),
    providers=(replace(traffic("smsbower", 120, 66), minute=9, minute_failures=9), traffic("5sim", 280, 5)),
    trend=tuple(Point(at=float(60 * minute), attempts=40.0, failure_rate=0.01) for minute in range(30)),
)
SMSBOWER = ProviderCircuit(
    name="smsbower",
    id="1",
    active=True,
    state="open",
    opened=4,
    flapping=True,
    seen_429=3,
    seen_5xx=9,
    last_traffic=ago(240),
    holders=(
        Holder(kind="pod", where="a", state="open"),
        Holder(kind="pod", where="b", state="closed"),
        Holder(kind="shared", where="redis", state="open", closes_in_s=12),
    ),
)
CIRCUITS = Circuits(
    providers=(
        SMSBOWER,
        ProviderCircuit(name="5sim", id="2", active=True, state="closed"),
        ProviderCircuit(name="onlinesim", id="3", active=False, state="open"),
    ),
    pods=3,
    pods_followed=2,
)
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
DATABASE = Database(
    sessions=(replace(SESSION, pid=40, blocks=20, blocked_by=(41,), transaction_s=50.0), SESSION),
    long=2,
    blocked=15,
    idle_in_transaction=1,
    connections=91,
    max_connections=97,
)
WORKLOADS = Workloads(
    namespace="n",
    deployment="app",
    desired=3,
    ready=2,
    updated=3,
    available=2,
    rollout="stuck",
    pods=(Pod(name="a", uid="1", phase="Running", ready=False, restarts=4, reason="OOMKilled", restarted_at=ago(60)),),
    release=Release(revision="2", read_at=ago(2), images="app:1.5.0", since=ago(540), before="app:1.4.2"),
)
STALE_LOCK = Lock(key="lock:number:u1-wa-brazil", value="1", pttl=-1, age_s=550.0, suspicious="it has no TTL")
LOCKS = Locks(
    locks=5,
    abandoned=1,
    oldest_s=550.0,
    swept_at=ago(9),
    families={
        "purchase": Family(pattern="lock:purchase:*", locks=3),
        "number": Family(pattern="lock:number:*", locks=2, abandoned=1, oldest_s=550.0, worst=(STALE_LOCK,)),
    },
)
PROBES = probes()


def _dated(*names: str) -> list[Ceiling]:
    """Ceilings that are reached in ten minutes."""
    then = NOW + timedelta(minutes=10)
    return [Ceiling(name=name, now=1.0, limit=2.0, text="full", earliest=then, latest=then) for name in names]


VALUES: dict[str, Value] = {
    "transactions": TRANSACTIONS,
    "circuits": CIRCUITS,
    "funnel": Funnel(
        window_s=300,
        rests_on_s=240,
        reach_s=240,
        attempts=60,
        sold=8,
        failed=3,
        waiting=7,
        waiting_new=7,
        oldest_s=95.0,
        refused={"no offer": 41, "funds": 1},
        users=50,
        users_refused=40,
        users_without_funds=1,
        pods_followed=3,
        pods=3,
        failures={"no answer": 6, "5xx": 2, "breaker open": 5},
        sold_s=3.0,
        by_pod=(PodFunnel(name="a", decided=20, failed=9), PodFunnel(name="b", decided=40, failed=1)),
        providers=(
            ProviderFunnel(
                between=0.05,
                name="smsbower",
                attempts=50,
                sold=2,
                failed=3,
                refused=41,
                waiting=4,
                reasons={"no answer": 6, "5xx": 2, "breaker open": 5, "no offer": 41},
                took_s=6.0,
                before_s=1.5,
                sold_s=12.0,
                relapses=2,
                run=FailingRun(since_s=90.0, decided=20, failed=18, others=1, others_sold=6, well=1),
            ),
            ProviderFunnel(name="5sim", attempts=10, sold=6, failed=0, refused=1, waiting=3),
        ),
    ),
    "outbox": Outbox(pending=137, failed=9, dropped=2, oldest_pending_s=1500, drained_per_min=0, arrived_per_min=12),
    "outbox events": OutboxEvents(
        events=(
            OutboxEvent(
                id="e1",
                event_type="offer.updated",
                aggregate_type="offer",
                status="FAILED",
                retries=1,
                age_s=60,
                error="bad",
            ),
        ),
    ),
    "reservations": Reservations(
        pending=61, stuck=56, oldest_s=1260, by_table={"purchase_orders": Pile(pending=61, stuck=56, oldest_s=1260)}
    ),
    "locks": LOCKS,
    "database": DATABASE,
    "workloads": WORKLOADS,
    "alerts": Alerts(
        firing=(Alert(name="ProviderApiErrors", severity="warning", since=ago(120)),),
        runbook=(
            RunbookAlert(name="HighPurchaseFailureRate", exists=True, can_fire=False, why="no such series"),
            RunbookAlert(name="StuckReservations", exists=True, can_fire=True),
            RunbookAlert(name="OutboxProcessingFailed", exists=False, can_fire=False),
        ),
    ),
    "slots": sample.slots(smsbower=6031.0, tiger=12.0),
    "balances": sample.balances(
        sample.balance("smsbower", "empty", 0.02), sample.balance("5sim", "low", 7.4, 30_000, old=True)
    ),
    "search": Search(up=False, why="search at meili:7700: refused"),
    "status_pages": StatusPages(
        pages=(StatusPage(provider="smsbower", said="Partial outage", indicator="major", read_at=ago(240)),)
    ),
    "database_cpu": DatabaseCpu(used=0.632),
    "integrity": sample.integrity(
        Finding(kind="data", level="SEV-3", text="1 wallet is overdrawn"),
        Finding(kind="data", level="SEV-1", text="Redis lost its data"),
    ),
    "changes": sample.changes(sample.EDITED, sample.RELEASED),
    "customers": sample.customers(
        failing=58,
        out_of_line=sample.incident()["customers"].value.out_of_line,
        countries=(ProviderCountry(provider="smsbower", country="India", failed_there=9, failed=20, share=0.3),),
    ),
    "onset": sample.incident()["onset"].value,
    "runway": sample.runway(*_dated("connections", "redis memory", "outbox", "window", "balance at smsbower")),
}


def readings(age_s: float = 2, error: str | None = None, **values: Value | None) -> dict[str, Reading]:
    """A reading of every signal, those in `values` in the place of VALUES'."""
    return {
        name: Reading(
            signal=name, every=2, value=value, taken_at=ago(age_s) if value else None, attempted_at=NOW, error=error
        )
        for name, value in (VALUES | values).items()
    }


def asked(name: str, argument: str = "", **values: Value | None) -> ProbeAnswer:
    return answer(PROBES[name], readings(**values), Settings(), NOW, argument)


WORDS = {
    "provider": "smsbower",
    "family": "number",
    "alert": "ProviderApiErrors",
    "country": "Angola",
    "change": "release",
    "pid": "40",
    "pod": "a",
    "figure": "failure_rate",
}


def argument_of(name: str) -> str:
    wanted = PROBES[name].argument
    return "" if wanted is None else WORDS[wanted.kind]


@pytest.mark.parametrize("name", PROBES)
def test_without_a_reading_nothing_is_known_and_nothing_is_false(name):
    for given in ({}, readings(**dict.fromkeys(VALUES))):
        found = answer(PROBES[name], given, Settings(), NOW, argument_of(name))
        assert (found.value, found.holds, found.known) == (None, None, False)
        assert found.text.startswith("not known: ")
        assert found.age_s is None


@pytest.mark.parametrize("name", [name for name in PROBES if not name.endswith(".answers")])
def test_where_the_source_failed_the_answer_says_why(name):
    given = readings(error="postgres refused", **dict.fromkeys(VALUES))
    found = answer(PROBES[name], given, Settings(), NOW, argument_of(name))
    assert (found.value, found.text, found.state) == (None, "not known: postgres refused", State.ERROR)


@pytest.mark.parametrize("name", PROBES)
def test_every_answer_is_of_its_kind_and_names_its_reading_and_age(name):
    probe, found = PROBES[name], asked(name, argument_of(name))
    kinds = {"number": (int, float), "flag": bool, "word": str, "text": str}
    assert isinstance(found.value, kinds[probe.kind]), found
    assert not probe.words or found.value in probe.words
    assert found.gives.keys() <= probe.gives.keys()
    assert found.signal in VALUES and found.basis() == f"{found.signal}, 2 s ago"


@pytest.mark.parametrize("name", PROBES)
def test_a_stale_reading_still_answers_and_says_how_old_it_is(name):
    found = answer(PROBES[name], readings(age_s=600, error="refused"), Settings(), NOW, argument_of(name))
    assert (found.state, found.age_s) == (State.STALE, 600)
    assert found.basis().endswith("10 min ago, stale")


@pytest.mark.parametrize(
    ("name", "argument", "value", "text"),
    [
        ("transactions.rate", "", 0.1775, "17.8 %: 71 of 400 purchases failed in 5 min"),
        ("transactions.scope", "", "one", "one provider, smsbower: 66 of 71 failures"),
        ("transactions.worst", "", 0.55, "smsbower fails 55 % of 120 purchases"),
        ("transactions.attempts", "smsbower", 120.0, "120 purchases from smsbower tried in 5 min"),
        ("transactions.attempts", "onlinesim", 0.0, "0 purchases from onlinesim tried in 5 min"),
        ("transactions.attempts", "nobody", None, "not known: no provider named nobody was seen"),
        ("transactions.provider", "onlinesim", None, "not known: nothing was bought from onlinesim"),
        (
            "circuits.state",
            "",
            "open",
            "smsbower: OPEN in 1 of 2 pods; shared OPEN, 12 s left (1 of 3 pods' logs are not followed)",
        ),
        ("circuits.state", "5sim", "closed", "5sim: closed (1 of 3 pods' logs are not followed)"),
        ("circuits.flapping", "5sim", False, "5sim opened 0 times in 10 min (1 of 3 pods' logs are not followed)"),
        ("circuits.troubled", "", 1.0, "1 of 2 active providers: smsbower flapping"),
        ("circuits.usable", "", 1.0, "1 of 2 active providers not open"),
        ("circuits.pod", "", False, "a alone has open breakers, for 1 of 2 active providers"),
        ("providers.healthy", "", 1.0, "1 healthy active provider: 5sim"),
        ("provider.active", "onlinesim", False, "onlinesim is disabled"),
        ("provider.quiet", "smsbower", 240.0, "the last request to smsbower was 4 min ago"),
        ("logs.5xx", "smsbower", 9.0, "5xx: 9 in 10 min (1 of 3 pods' logs are not followed)"),
        ("funnel.refused", "", 42.0, "42 customers refused in 4 min (logs reach back 4 min)"),
        ("funnel.refused", "smsbower", 41.0, "41 customers refused at smsbower in 4 min (logs reach back 4 min)"),
        ("funnel.sold", "5sim", 6.0, "6 customers sold a number at 5sim in 4 min (logs reach back 4 min)"),
        ("funnel.waiting", "", 7.0, "7 purchases in flight, oldest 95 s"),
        ("funnel.funds", "", 1.0, "1 purchase refused for lack of funds (1 user) in 4 min (logs reach back 4 min)"),
        ("outbox.drain", "", 0.0, "0 a minute leave it while 12 a minute arrive"),
        ("outbox.event", "", "e1", "e1: offer.updated, 1 try, 60 s old: bad"),
        ("reservations.stuck", "", 56.0, "56 stuck: 56 purchase_orders"),
        ("reconcile.stopped", "", True, "56 stuck, the oldest 21 min old: a running one leaves none over 20 min"),
        ("locks.abandoned", "", 1.0, "1 orphaned lock: 1 number"),
        ("locks.abandoned", "number", 1.0, "1 orphaned lock of number"),
        ("locks.abandoned", "purchase", 0.0, "none of 3 locks of purchase is orphaned"),
        ("locks.abandoned", "poll", None, "not known: the family poll is not watched; watched are purchase, number"),
        ("locks.oldest", "", 550.0, "the oldest is 9 min old: lock:number:u1-wa-brazil"),
        ("database.blockers", "", 2.0, "pid 41 (psql) blocks 14, idle in transaction for 38 s: UPDATE wallets"),
        ("slots.wait", "smsbower", 6031.0, "a purchase at smsbower waits 100 min for a slot"),
        ("slots.wait", "5sim", 0.0, "a purchase at 5sim goes out within 3 s"),
        ("slots.wait", "nobody", None, "not known: no provider named nobody was seen"),
        (
            "slots.worst",
            "",
            6031.0,
            "a purchase at smsbower waits 100 min for a slot, and at 1 other provider too",
        ),
        ("slots.reach", "", "some", "at 1 active provider the wait for a slot is 60 s or longer"),
        ("balances.empty", "", 1.0, "our balance is used up at 1 active provider: smsbower 0.02 (25 min ago)"),
        (
            "balances.low",
            "",
            2.0,
            "our balance is low or used up at 2 active providers:"
            " smsbower 0.02 (25 min ago), 5sim 7.40 (8 h 20 min ago, an old figure)",
        ),
        ("balance.left", "smsbower", 0.02, "0.02 left at smsbower (25 min ago) of at least 10.00: empty"),
        ("balance.left", "nobody", None, "not known: no provider named nobody was seen"),
        (
            "provider.statuspage",
            "smsbower",
            "Partial outage",
            "smsbower said of itself 4 min ago: Partial outage (major)",
        ),
        ("provider.statuspage", "5sim", None, "not known: providers.status_pages has no status page of 5sim"),
        ("search.up", "", False, "it is down: search at meili:7700: refused"),
        ("database.cpu", "", 0.632, "63.2 % of the database's CPU is used"),
        ("integrity.data", "", "SEV-1", "Redis lost its data (and 1 other finding)"),
        ("integrity.security", "", "none", "nothing was found in 7 looks"),
        ("workloads.missing", "", 1.0, "2 of 3 pods of app ready: a OOMKilled"),
        ("workloads.restarts", "", 4.0, "4 restarts of 1 pod, the last 60 s ago (OOMKilled)"),
        ("workloads.released", "", 540.0, "app:1.5.0 (revision 2) is 9 min old, after app:1.4.2"),
        ("alerts.firing", "ProviderApiErrors", True, "ProviderApiErrors fires since 120 s"),
        ("alerts.firing", "StuckReservations", False, "StuckReservations does not fire"),
        ("alerts.level", "", "SEV-3", "ProviderApiErrors fires (warning)"),
    ],
)
def test_an_answer_states_the_numbers_that_it_rests_on(name, argument, value, text):
    found = asked(name, argument)
    assert (found.value, found.text) == (pytest.approx(value), text) if isinstance(value, float) else (value, text)


def test_the_one_who_blocks_is_given_not_the_one_who_blocks_most_while_waiting_himself():
    assert asked("database.blockers").gives == {"pid": "41"}


def test_nothing_bought_and_too_little_bought_is_not_a_rate():
    assert asked("transactions.rate", transactions=replace(TRANSACTIONS, attempts=19)).value is None
    none = replace(TRANSACTIONS, attempts=0, failures=0, failure_rate=None, providers=())
    assert asked("transactions.rate", transactions=none).value is None
    assert asked("transactions.worst", transactions=none).value is None


def test_a_rate_made_by_a_few_failures_that_stand_out_nowhere_is_not_known():
    unknown = Scope(verdict="unknown", because="4 of 38 fail (10.5 %), too few at each provider")
    few = replace(TRANSACTIONS, attempts=38, in_flight=0, failures=4, failure_rate=4 / 38, scope=unknown)
    found = asked("transactions.rate", transactions=few)
    assert found.value is None and found.text == "4 of 38 purchases failed in 5 min: too few to judge by"
    at_one = replace(few, scope=Scope(verdict="one", provider="smsbower", because="all of them"))
    assert asked("transactions.rate", transactions=at_one).value == pytest.approx(4 / 38)
    many = replace(few, failures=6, failure_rate=6 / 38)
    assert asked("transactions.rate", transactions=many).value == pytest.approx(6 / 38)
    assert asked("transactions.rate", transactions=replace(few, failures=0, failure_rate=0.0)).value == 0.0


def test_which_providers_are_disabled_and_the_only_one_by_name():
    def disabled(*names: str | None) -> ProbeAnswer:
        providers = tuple(
            ProviderCircuit(name=name, id=name, state="closed", active=name not in names)
            for name in ("smsbower", "5sim")
        )
        return asked("providers.disabled", circuits=replace(CIRCUITS, providers=providers))

    assert (disabled("5sim").text, disabled("5sim").gives) == ("1 disabled provider: 5sim", {"provider": "5sim"})
    assert (disabled().value, disabled().text, disabled().gives) == (0.0, "0 disabled providers: none", {})
    assert disabled("5sim", "smsbower").value == 2.0 and disabled("5sim", "smsbower").gives == {}
    unread = replace(CIRCUITS, providers=(ProviderCircuit(name="5sim", id=None, state="closed", active=None),))
    assert asked("providers.disabled", circuits=unread).value is None


def test_purchases_that_wait_are_a_number_a_flag_and_name_their_provider():
    there = ProviderTraffic(
        name="smsbower", attempts=24, failures=0, failure_rate=None, in_flight=24, overdue=20, oldest_s=240.0
    )
    hanging = replace(
        TRANSACTIONS,
        attempts=24,
        failures=0,
        failure_rate=None,
        in_flight=24,
        overdue=20,
        oldest_s=240.0,
        newest_s=1.0,
        usual_s=2.0,
        providers=(there,),
    )
    blocked = asked("transactions.blocked", transactions=hanging)
    assert (blocked.value, blocked.gives) == (True, {"provider": "smsbower"})
    assert blocked.text == "24 purchases in flight at smsbower, none decided for 4 min (usually 2.0 s)"
    number = asked("transactions.waiting", transactions=hanging)
    assert (number.value, number.gives) == (24.0, {"provider": "smsbower"})
    assert number.text == "24 purchases in flight, oldest 4 min (usually 2.0 s), 24 of them at smsbower"
    many = asked("transactions.overdue", transactions=hanging)
    assert (many.value, many.text) == (True, "20 of 20 purchases in flight for over 30 s")
    rate = asked("transactions.rate", transactions=hanging)
    assert (rate.value, rate.text) == (None, "not known: no purchase was decided in 5 min: 24 purchases in flight")


def test_where_purchases_are_decided_nothing_is_blocked_and_where_nobody_buys_it_is_not_known():
    found = asked("transactions.blocked", transactions=TRANSACTIONS)
    assert (found.value, found.text) == (False, "purchases are decided")
    assert asked("transactions.waiting", transactions=TRANSACTIONS).value == 0.0
    assert asked("transactions.overdue", transactions=TRANSACTIONS).value is False
    nothing = replace(TRANSACTIONS, attempts=0, failures=0, failure_rate=None, providers=())
    assert asked("transactions.blocked", transactions=nothing).value is None


def test_a_scope_that_can_not_be_told_is_not_none_of_the_providers():
    unknown = replace(TRANSACTIONS, scope=Scope(because="3 attempts are too few to say"))
    found = asked("transactions.scope", transactions=unknown)
    assert (found.value, found.text) == (None, "not known: 3 attempts are too few to say")


def test_a_release_whose_age_can_not_be_known_says_which_right_it_takes():
    refused = Release(
        revision="2", read_at=NOW, why="kubernetes refused it", lacks="the right to list replicasets.apps"
    )
    found = asked("workloads.released", workloads=replace(WORKLOADS, release=refused))
    assert (found.value, found.text, found.lacks) == (None, "not known: kubernetes refused it", refused.lacks)
    assert asked("workloads.released", workloads=replace(WORKLOADS, release=None)).value is None


def test_silence_of_an_alert_that_can_not_fire_proves_nothing():
    found = asked("alerts.firing", "HighPurchaseFailureRate")
    assert found.holds is None and found.lacks
    assert "can never fire here" in found.text and "no such series" in found.text
    assert asked("alerts.firing", "OutboxProcessingFailed").holds is None


def test_zero_blockers_among_sessions_that_can_not_be_seen_is_not_known():
    calm = Database(connections=3, max_connections=97)
    assert asked("database.blockers", database=calm).value == 0.0
    blind = asked("database.blockers", database=replace(calm, restricted=True, hidden=5))
    assert (blind.value, blind.lacks) == (None, "GRANT pg_monitor to the console's role")
    assert blind.text == "not known: 5 sessions of other roles can't be seen"


def test_no_log_line_is_no_zero_where_no_log_is_followed():
    unfollowed = replace(CIRCUITS, pods_followed=0, providers=(replace(SMSBOWER, seen_429=0, flapping=False),))
    assert asked("logs.429", "smsbower", circuits=unfollowed).value is None
    assert asked("circuits.flapping", circuits=unfollowed).holds is None
    unread = replace(VALUES["funnel"], pods_followed=0)
    assert asked("funnel.waiting", funnel=unread).value is None
    assert asked("funnel.funds", funnel=unread).value is None
    assert asked("funnel.refused", "grizzlysms", funnel=unread).value is None
    assert asked("funnel.refused", "grizzlysms").value == 0.0
    for name in ("funnel.refused", "funnel.sold", "funnel.waiting", "funnel.funds"):
        early = asked(name, funnel=replace(VALUES["funnel"], rests_on_s=0.0))
        assert (early.value, early.text) == (None, "not known: older log lines are still being read")


def test_what_counts_log_lines_says_on_how_many_minutes_it_rests():
    short = replace(CIRCUITS, pods_followed=3, reach_s=245.0)
    assert asked("logs.5xx", "smsbower", circuits=short).text.endswith("in 4 min (logs reach back 4 min)")
    assert asked("logs.429", "smsbower", circuits=short).text.endswith("in 4 min (logs reach back 4 min)")
    assert asked("circuits.flapping", circuits=short).text == "smsbower opened 4 times in 4 min (logs reach back 4 min)"


def test_a_database_that_refuses_does_not_answer_and_one_that_is_not_configured_is_not_known():
    refused = Reading(signal="database", every=2, attempted_at=NOW, error="postgres: refused")
    absent = replace(refused, absent=True)
    probe = PROBES["database.answers"]
    assert answer(probe, {"database": refused}, Settings(), NOW).holds is False
    assert answer(probe, {"database": absent}, Settings(), NOW).holds is None
    assert asked("database.answers").holds is True
    denied = replace(refused, error="postgres refused the login", denied=True)
    said = answer(probe, {"database": denied}, Settings(), NOW)
    assert (said.holds, said.text) == (True, "it answers, and refuses this console: postgres refused the login")


def test_the_reconciler_is_judged_by_what_is_overdue_and_silence_is_no_sign():
    def oldest(stuck, oldest_s):
        return asked("reconcile.stopped", reservations=Reservations(pending=stuck, stuck=stuck, oldest_s=oldest_s))

    assert oldest(0, None).holds is False
    assert oldest(3, 700).holds is False
    assert oldest(3, 1201).holds is True


@pytest.mark.parametrize("name", ["smsbower", "SMSBower", "SMS Bower", "1"])
def test_a_provider_is_found_by_name_display_name_and_id(name):
    shown = replace(CIRCUITS, providers=(replace(SMSBOWER, display_name="SMS Bower"), *CIRCUITS.providers[1:]))
    assert asked("provider.active", name, circuits=shown).holds is True
    assert asked("transactions.attempts", name, circuits=shown).value == 120.0
    by_display = replace(TRANSACTIONS, providers=(traffic("sms bower", 120, 66),))
    assert asked("transactions.attempts", name, circuits=shown, transactions=by_display).value == 120.0
    assert asked("providers.healthy", circuits=shown, transactions=by_display).text.endswith(": 5sim")


def test_who_makes_purchases_wait_or_has_none_of_our_money_takes_nobodys_traffic():
    def well(**values):
        return asked("providers.healthy", **({"slots": sample.slots(), "balances": sample.balances()} | values)).value

    assert well() == 1.0
    assert well(slots=sample.slots(**{"5sim": 60.0})) == 0.0
    assert well(slots=sample.slots(**{"5sim": 59.0})) == 1.0
    assert well(balances=sample.balances(sample.balance("5sim", "empty", 0.0))) == 0.0
    assert well(balances=sample.balances(sample.balance("5sim", "low", 3.0))) == 1.0
    assert well(slots=None, balances=None) == 1.0


def test_turns_money_and_pages_that_nobody_knows_are_not_known_and_none_is_zero():
    assert asked("slots.worst", slots=sample.slots()).value == 0.0
    assert asked("slots.worst", slots=sample.slots()).gives == {}
    assert asked("balances.empty", balances=sample.balances()).text == "our balance is used up at 0 active providers"
    assert asked("slots.reach", slots=sample.slots(smsbower=59.0)).value == "none"
    assert asked("slots.reach", slots=sample.slots(**dict.fromkeys(sample.NAMES, 60.0))).value == "most"
    old = sample.balances(sample.balance("5sim", "empty", 0.0, 30_000, old=True))
    assert (asked("balances.empty", balances=old).value, asked("balances.low", balances=old).value) == (0.0, 1.0)
    never = Balances(balances=(sample.balance("5sim", "unknown", 0.0, None),))
    assert asked("balances.empty", balances=never).text == "not known: NexNum has never asked for a balance"
    assert asked("balance.left", "5sim", balances=never).value is None
    some = sample.balances(*never.balances)
    assert (
        asked("balances.low", balances=some).text == "our balance is low or used up at 0 active providers (1 not known)"
    )
    failing = StatusPages(pages=(StatusPage(provider="smsbower", error="refused"),))
    assert asked("provider.statuspage", "smsbower", status_pages=failing).text == "not known: refused"
    assert asked("search.up", search=Search(up=True)).value is True


def test_looks_that_could_not_be_taken_are_named_beside_what_was_not_found():
    blind = Integrity(checks=(IntegrityCheck(name="wallets", at=NOW), IntegrityCheck(name="redis", error="refused")))
    assert asked("integrity.data", integrity=blind).text == "nothing was found in 1 look; not looked at: redis"


def test_no_abandoned_lock_in_a_part_of_the_keys_is_not_known_and_one_in_it_is():
    part = replace(LOCKS, abandoned=0, oldest_s=None, families={}, swept_at=None, looked=10_000)
    for name in ("locks.abandoned", "locks.oldest"):
        found = asked(name, locks=part)
        assert (found.value, found.text) == (None, "not known: none so far, in 10 000 keys of all")
    found = asked("locks.abandoned", locks=replace(LOCKS, swept_at=None))
    assert (found.value, found.text) == (1.0, "at least 1 orphaned lock: 1 number")
    assert found.gives == {"family": "number"}


def test_a_breaker_that_flaps_is_named_also_while_it_happens_to_be_closed():
    flapping = replace(SMSBOWER, state="closed", holders=())
    unknown = ProviderCircuit(name="5sim", id="2", active=True, state="unknown")
    found = asked("circuits.state", circuits=replace(CIRCUITS, pods_followed=3, providers=(unknown, flapping)))
    assert (found.text, found.value) == ("smsbower: closed just now, but flapping", "closed")
    assert found.gives == {"provider": "smsbower"}


@pytest.mark.parametrize(
    ("holders", "value", "said"),
    [
        ({"one": "ab", "two": "ab", "three": "ab"}, None, None),
        ({"one": "a", "two": "a"}, True, "a alone has open breakers, for 2 of 3 active providers"),
        ({"one": "a"}, False, "a alone has open breakers, for 1 of 3 active providers"),
        ({"one": "a", "two": "b"}, False, "2 pods have open breakers"),
        ({}, False, "no pod has an open breaker"),
    ],
)
def test_one_pod_is_to_blame_where_it_alone_has_open_breakers_for_half_of_the_providers(holders, value, said):
    def of(name: str) -> ProviderCircuit:
        states = {pod: "open" if pod in holders.get(name, "") else "closed" for pod in "ab"}
        held = tuple(Holder(kind="pod", where=pod, state=state) for pod, state in states.items())
        return ProviderCircuit(name=name, id=None, active=True, state="closed", holders=held)

    followed = 2 if said else 1
    circuits = Circuits(providers=tuple(map(of, ("one", "two", "three"))), pods_followed=followed, pods=followed)
    found = asked("circuits.pod", circuits=circuits)
    assert (found.value, found.gives) == (value, {"pod": "a"} if value else {})
    if said:
        assert found.text == said


@pytest.mark.parametrize(
    ("name", "argument", "value", "text"),
    [
        ("errors.outage", "", 1.0, "8 of 8 failures in the logs get no answer, or a server's error"),
        ("errors.server", "smsbower", 0.25, "2 of 8 failures at smsbower in the logs get a server's error"),
        ("errors.breaker", "smsbower", 5 / 13, "5 of 13 failures at smsbower in the logs meet an open breaker"),
        ("errors.silent", "5sim", None, "not known: the logs explain no failure at 5sim"),
        ("errors.silent", "nobody", None, "not known: the logs say nothing of nobody"),
        ("pods.failing", "", "one", "a fails 9 of 20, b fails 1 of 40"),
        ("pod.failing", "a", 0.45, "45 % of 20 purchases fail on a"),
        ("pod.alone", "b", False, "a fails 9 of 20"),
        ("pod.failing", "z", None, "not known: too few purchases were decided on z"),
        ("provider.takes", "smsbower", 6.0, "a sale at smsbower takes 6.0 s"),
        ("provider.slower", "smsbower", 4.0, "a sale at smsbower takes 6.0 s, before 1.5 s"),
        ("provider.sold-ago", "smsbower", 12.0, "smsbower's newest sale began 12 s ago"),
        ("provider.lately", "smsbower", 1.0, "smsbower fails 100 % of 9 purchases of the last minute"),
        ("provider.lately", "5sim", None, "not known: too few purchases of 5sim"),
        ("providers.slower", "", 1.0, "1 of 1 provider take much longer than before: smsbower"),
        ("provider.relapses", "smsbower", 2.0, "smsbower failed several times in a row and then sold again 2 times"),
        ("circuit.opened", "smsbower", 4.0, "smsbower's breakers opened 4 times in the pods"),
        ("funnel.sold-ago", "", 3.0, "the newest sale was made 3 s ago"),
        ("transactions.times", "", 2.0, "80 purchases a minute are tried, 40 before"),
        ("balance.state", "smsbower", "empty", "0.02 left at smsbower (25 min ago): empty"),
        ("balance.state", "5sim", None, "not known: 7.40"),
        ("pods.crashing", "", 1.0, "1 pod of 1 crash: a OOMKilled"),
        ("outbox.since-release", "", False, "the oldest that failed or waits is 25 min old, the release 9 min"),
        ("redis.full", "", False, "Redis has room"),
        (
            "alert.contradicted",
            "ProviderApiErrors",
            False,
            "ProviderApiErrors fires; by the console's own count the worst",
        ),
        ("alert.contradicted", "Other", False, "Other does not fire"),
        ("database.slow", "", 0.0, "0 sessions at work"),
    ],
)
def test_how_purchases_fail(name, argument, value, text):
    found = asked(name, argument)
    assert (found.value, found.text[: len(text)]) == (value, text)


def test_an_alert_that_the_console_does_not_measure_is_not_judged():
    disk = Alerts(firing=(Alert(name="DiskSpaceLow", severity="warning", since=ago(120)),))
    assert asked("alert.contradicted", "DiskSpaceLow", alerts=disk).value is None
    wrong = Alerts(firing=(Alert(name="HighErrorRate", severity="critical", since=ago(120)),))
    assert asked("alert.contradicted", "HighErrorRate", alerts=wrong).value is False
    well = replace(TRANSACTIONS, failure_rate=0.01, failures=4)
    assert asked("alert.contradicted", "HighErrorRate", alerts=wrong, transactions=well).value is True
    lost = replace(well, attempts=478, overdue=2)
    assert asked("alert.contradicted", "HighErrorRate", alerts=wrong, transactions=lost).value is True
    hang = replace(lost, overdue=30)
    assert asked("alert.contradicted", "HighErrorRate", alerts=wrong, transactions=hang).value is False


def test_what_is_full_or_emptied_or_read_only_is_told_by_what_it_is_about():
    full = Finding(kind="data", level="SEV-2", text="Redis is full", about="Redis' memory")
    nearly = replace(full, level="SEV-3", text="Redis uses 91 %")
    assert asked("redis.full", integrity=sample.integrity(full, look="redis")).holds is True
    assert asked("redis.full", integrity=sample.integrity(nearly, look="redis")).holds is False
    gone = Finding(kind="data", level="SEV-1", text="somebody emptied Redis", about="Redis' data")
    assert asked("redis.emptied", integrity=sample.integrity(gone, look="redis")).holds is True
    behind = Finding(kind="data", level="SEV-1", text="the database has become a replica", about="read-only")
    assert asked("database.read-only", integrity=sample.integrity(behind, look="postgres")).holds is True


def test_pods_that_fail_alike_are_no_bad_pod():
    pods = (PodFunnel(name="a", decided=20, failed=9), PodFunnel(name="b", decided=40, failed=22))
    funnel = replace(VALUES["funnel"], by_pod=pods)
    assert asked("pods.failing", funnel=funnel).value == "all"
    assert asked("pod.alone", "a", funnel=funnel).holds is False
    assert asked("pods.failing", funnel=replace(funnel, by_pod=pods[:1])).value is None
    assert asked("pods.failing", funnel=replace(funnel, pods_followed=0)).value is None
    few = (PodFunnel(name="a", decided=20, failed=0), PodFunnel(name="b", decided=40, failed=2))
    assert asked("pods.failing", funnel=replace(funnel, by_pod=few)).value == "none"
