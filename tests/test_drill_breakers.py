"""The breakers of the drill's market behave as NexNum's do. (nexnum.md#breakers, #breaker-rules)"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from nexconsole.drill.market.breakers import PodBreaker, SharedBreaker
from nexconsole.drill.market.clock import Clock
from nexconsole.drill.market.keyspace import RememberedKeys

UUID = "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f"


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock(1000.0)
    yield clock
    clock.close()


def pod_breaker(clock: Clock, **options: Any) -> tuple[PodBreaker, list[str]]:
    seen: list[str] = []
    return PodBreaker(clock, clock.spawn, seen.append, **options), seen


def fail(breaker: PodBreaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admits()
        breaker.failed()


def test_a_pods_breaker_opens_on_the_fifth_failure_and_is_half_open_after_thirty_seconds_without_traffic(
    clock: Clock,
) -> None:
    breaker, seen = pod_breaker(clock)
    fail(breaker, 4)
    assert seen == []
    fail(breaker, 1)
    assert seen == ["open"]
    assert not breaker.admits()
    clock.run_until(1029.9)
    assert seen == ["open"]
    clock.run_until(1030.1)
    assert seen == ["open", "half-open"]


def test_only_one_probe_goes_through_a_half_open_breaker_and_its_outcome_decides(clock: Clock) -> None:
    breaker, seen = pod_breaker(clock)
    fail(breaker, 5)
    clock.run_until(1031.0)
    assert breaker.admits()
    assert not breaker.admits()
    breaker.failed()
    assert seen == ["open", "half-open", "open"]
    clock.run_until(1062.0)
    assert breaker.admits()
    breaker.succeeded()
    assert seen == ["open", "half-open", "open", "half-open", "closed"]


def test_failures_that_are_ten_seconds_apart_open_nothing(clock: Clock) -> None:
    breaker, seen = pod_breaker(clock)
    for second in range(0, 120, 3):
        clock.run_until(1000.0 + second)
        fail(breaker, 1)
    assert seen == []


def test_without_a_volume_threshold_a_single_failure_opens_it_as_in_the_oldest_installs(
    clock: Clock,
) -> None:
    breaker, seen = pod_breaker(clock, volume=0, cooldown_s=15.0)
    fail(breaker, 1)
    assert seen == ["open"]


def drive(clock: Clock, work: Coroutine[Any, Any, object]) -> Any:
    """Run to the end what never sleeps."""
    with pytest.raises(StopIteration) as end:
        work.send(None)
    return end.value.value


def shared_breaker(clock: Clock, era: str = "head") -> tuple[SharedBreaker, RememberedKeys, list[tuple[Any, ...]]]:
    keys, seen = RememberedKeys(clock), []

    async def log_health(*figures: Any) -> None:
        seen.append(figures)

    return SharedBreaker(clock, keys, UUID, era, lambda *told: seen.append(told), log_health), keys, seen  # type: ignore[arg-type]


def test_the_shared_breaker_counts_time_outs_not_unknown_errors_and_stays_open_for_five_minutes(clock: Clock) -> None:
    breaker, keys, seen = shared_breaker(clock)
    for _ in range(20):
        drive(clock, breaker.failed("UNKNOWN", 0.1))
    assert drive(clock, breaker.admits())
    for _ in range(5):
        drive(clock, breaker.failed("TIMEOUT", 8.0))
    assert not drive(clock, breaker.admits())
    assert drive(clock, keys.ttl(f"health:{UUID}:circuit")) == 300
    assert seen[0] == (5, "TIMEOUT", 300)
    clock.run_until(1301.0)
    assert drive(clock, breaker.admits())


def test_the_shared_breaker_read_in_its_last_half_second_stays_half_open_until_three_successes(clock: Clock) -> None:
    breaker, keys, _ = shared_breaker(clock)
    drive(clock, breaker.open(30))
    clock.run_until(1029.7)
    assert drive(clock, breaker.admits())
    assert drive(clock, keys.get(f"health:{UUID}:circuit")) == "half-open"
    assert drive(clock, keys.ttl(f"health:{UUID}:circuit")) == -1
    for _ in range(3):
        drive(clock, breaker.succeeded(0.3))
    assert drive(clock, keys.get(f"health:{UUID}:circuit")) is None


def test_in_the_oldest_installs_the_failure_counter_has_a_leading_space_and_is_never_reset(clock: Clock) -> None:
    breaker, keys, _ = shared_breaker(clock, "old")
    for _ in range(5):
        drive(clock, breaker.failed("NO_STOCK", 0.2))
    drive(clock, breaker.succeeded(0.2))
    assert drive(clock, keys.get(f" health:{UUID}:failures")) == "5"
    clock.run_until(1031.0)
    drive(clock, breaker.failed("NO_STOCK", 0.2))
    assert not drive(clock, breaker.admits())
