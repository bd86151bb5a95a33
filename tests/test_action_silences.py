"""alert.silence and alert.unsilence on a server that speaks Alertmanager's v2 API, and on the real one."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from acting import Desk, acting, reading, settings_of, shell
from alertmanager_server import BINARY, LikeAlertmanager, fire, like_alertmanager, real_alertmanager
from remote_console import HTML, REDIRECT, tcp_server

from nexconsole.actions.action import ActionError, Context
from nexconsole.actions.perform import perform
from nexconsole.actions.plan import Outcome, Plan
from nexconsole.actions.silence_undo import UNSILENCE
from nexconsole.actions.silences import SILENCE, seconds_of
from nexconsole.errors import BadAnswer, Denied, SourceError
from nexconsole.signals.alerts import Alert, Alerts
from nexconsole.sources import open_sources

REAL = pytest.param("real", marks=pytest.mark.skipif(BINARY is None, reason="no alertmanager binary on PATH"))
HOSTILE = "x\"; rm -rf / #\\ '$(id)` {}"


@dataclass
class Place:
    url: str
    context: Context
    like: LikeAlertmanager | None


@asynccontextmanager
async def at(url: str, **settings: Any) -> AsyncIterator[Context]:
    async with acting(settings_of(alertmanager={"url": url, "timeout_s": 1.0, **settings})) as context:
        yield context


@pytest.fixture(params=["like", REAL])
async def place(request: Any, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "real":
        async with real_alertmanager(tmp_path) as url, at(url) as context:
            yield Place(url, context, None)
    else:
        async with like_alertmanager() as (url, like), at(url) as context:
            yield Place(url, context, like)


@pytest.fixture
async def like() -> AsyncIterator[Place]:
    async with like_alertmanager() as (url, one), at(url) as context:
        yield Place(url, context, one)


def guards_of(plan: Plan) -> dict[str, Any]:
    return {guard.name: guard for guard in plan.guards}


async def test_an_alert_is_silenced_until_a_time_and_undone(place: Place) -> None:
    await fire(place.url, "HighErrorRate", "a", "b")
    await fire(place.url, "Other", "a")
    performance = await perform(SILENCE, {"alert": "HighErrorRate", "duration": "30m"}, place.context, Desk().console)
    plan, outcome = performance.plan, performance.outcome
    assert plan and outcome and outcome.state == "done", performance
    assert [target.kind for target in plan.targets] == ["silence", "alert", "alert"]
    assert "(30 min): 2 alerts of that name fire now" in plan.effect
    assert performance.verdict and performance.verdict.state == "worked", performance.verdict
    assert "2 of 2 alerts suppressed by it" in performance.verdict.because
    assert plan.undo and plan.undo.action == "alert.unsilence"
    undone = await perform(UNSILENCE, plan.undo.arguments, place.context, Desk().console)
    assert undone.outcome and undone.outcome.state == "done", undone
    assert undone.verdict and undone.verdict.state == "worked"
    with pytest.raises(ActionError, match="is over already"):
        await UNSILENCE.prepare({"silence": outcome.touched[0].id}, place.context)


async def test_a_silence_of_another_name_hides_nothing_of_this_one(place: Place) -> None:
    await fire(place.url, "HighErrorRate", "a")
    await perform(SILENCE, {"alert": "Other"}, place.context, Desk().console)
    plan = await SILENCE.prepare({"alert": "HighErrorRate"}, place.context)
    assert plan.targets[1].shown["state"] in ("active", "unprocessed")


async def test_hostile_names_are_only_text(place: Place) -> None:
    await fire(place.url, HOSTILE, "a")
    performance = await perform(SILENCE, {"alert": HOSTILE}, place.context, Desk().console)
    assert performance.verdict and performance.verdict.state == "worked", performance
    assert "1 of 1 alert suppressed" in performance.verdict.because


async def test_preparing_changes_nothing(like: Place) -> None:
    await fire(like.url, "HighErrorRate", "a")
    plan = await SILENCE.prepare({"alert": "HighErrorRate"}, like.context)
    assert like.like and like.like.writes == []
    assert (plan.confirm.kind, plan.confirm.text) == ("letter", "s")
    again = await SILENCE.prepare({"alert": "HighErrorRate"}, like.context)
    assert plan.fingerprint == again.fingerprint


async def test_without_a_duration_it_ends_when_the_settings_say(like: Place) -> None:
    plan = await SILENCE.prepare({"alert": "X"}, like.context)
    ends = datetime.fromisoformat(plan.details["body"]["endsAt"].replace("Z", "+00:00"))  # type: ignore[index]
    assert timedelta(minutes=59) < ends - datetime.now(UTC) <= timedelta(minutes=60)
    assert guards_of(plan)["fires"].level == "warn" and "hides future ones" in plan.effect


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2 h", 7200), ("1d", 86400)]
)
def test_durations_are_written_as_prometheus_has_them(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "forever", "-1h", "30", "1.5h", "31d", "1h x", "9999999h", "١h"])
async def test_a_duration_without_an_end_or_beyond_a_month_is_refused(like: Place, text: str) -> None:
    if text:
        with pytest.raises(ActionError, match="a silence lasts"):
            await SILENCE.prepare({"alert": "X", "duration": text}, like.context)
    with pytest.raises(ActionError, match="a silence lasts"):
        seconds_of(text)


@pytest.mark.parametrize("name", ["", "  ", "a\x1b[31m"])
async def test_a_name_that_is_none_is_refused(like: Place, name: str) -> None:
    with pytest.raises(ActionError, match="an alert's name is wanted"):
        await SILENCE.prepare({"alert": name}, like.context)


async def test_critical_alerts_and_long_silences_are_typed(like: Place) -> None:
    await fire(like.url, "Down", "a", severity="critical")
    plan = await SILENCE.prepare({"alert": "Down"}, like.context)
    assert (plan.confirm.kind, plan.confirm.text) == ("type", "Down") and guards_of(plan)["critical"].level == "warn"
    plan = await SILENCE.prepare({"alert": "Slow", "duration": "2d"}, like.context)
    assert plan.confirm.kind == "type" and guards_of(plan)["long"].level == "warn"


async def test_an_alert_that_is_silenced_already_is_said_so(like: Place) -> None:
    await fire(like.url, "X", "a")
    await perform(SILENCE, {"alert": "X"}, like.context, Desk().console)
    plan = await SILENCE.prepare({"alert": "X"}, like.context)
    assert "1 silence with alertname=X already" in guards_of(plan)["silenced already"].reason
    assert "1 more are silenced or inhibited already" in plan.effect


async def test_an_alert_that_another_alertmanager_has_is_said_so(like: Place) -> None:
    alerts = Alerts(firing=(Alert(name="X", severity="warning", since=None),))
    like.context.readings = lambda: {"alerts": reading("alerts", alerts)}
    assert guards_of(await SILENCE.prepare({"alert": "X"}, like.context))["elsewhere"].level == "warn"
    (found,) = SILENCE.suggestions(like.context.readings(), like.context.settings)
    assert found.title == "Silence X - 1 firing"


async def test_a_new_alert_between_preview_and_confirmation_is_shown_again(like: Place) -> None:
    await fire(like.url, "X", "a")
    plan = await SILENCE.prepare({"alert": "X"}, like.context)
    await fire(like.url, "X", "b")
    assert (await SILENCE.prepare({"alert": "X"}, like.context)).fingerprint != plan.fingerprint


async def test_a_refusal_leaves_no_silence(like: Place) -> None:
    plan = await SILENCE.prepare({"alert": "X"}, like.context)
    past = {**plan.details["body"], "endsAt": "2020-01-01T00:00:00Z"}  # type: ignore[dict-item]
    outcome = await SILENCE.execute(replace(plan, details={**plan.details, "body": past}), like.context)
    assert outcome.state == "refused" and "400" in outcome.answer
    assert like.like and not like.like.silences


async def test_a_silence_that_never_came_to_be_had_no_effect(like: Place) -> None:
    plan = replace(await SILENCE.prepare({"alert": "X"}, like.context), deadline_s=0.2)
    verdict = await SILENCE.verify(plan, Outcome(state="unknown", answer="?"), like.context)
    assert verdict.state == "no effect" and "no such silence" in verdict.because


async def test_a_lost_answer_is_unknown_and_found_again_by_its_mark(like: Place) -> None:
    plan = await SILENCE.prepare({"alert": "X"}, like.context)
    async with tcp_server(None) as port, at(f"http://127.0.0.1:{port}") as mute:
        settings = settings_of(alertmanager={"url": f"http://127.0.0.1:{port}"}, actions={"timeout_s": 0.3})
        async with acting(settings) as context:
            outcome = await SILENCE.execute(plan, context)
        assert outcome.state == "unknown" and "it may have happened or not" in outcome.answer
        assert mute
    await SILENCE.execute(plan, like.context)
    verdict = await SILENCE.verify(plan, outcome, like.context)
    assert verdict.state == "worked", "the silence of this very plan is there"


@pytest.mark.parametrize(("answer", "error"), [(HTML, BadAnswer), (REDIRECT, BadAnswer), (None, SourceError)])
async def test_what_is_no_alertmanager_is_said_so(answer: bytes | None, error: type[Exception]) -> None:
    async with tcp_server(answer) as port, at(f"http://127.0.0.1:{port}", timeout_s=0.3) as context:
        with pytest.raises(error):
            await SILENCE.prepare({"alert": "X"}, context)
        assert (await SILENCE.permitted(context)).level == "block"


async def test_a_login_goes_with_it_and_a_wrong_one_is_said_so(like: Place) -> None:
    assert like.like
    like.like.login = "Bearer s3cret"
    with pytest.raises(Denied, match=r"check alertmanager\.bearer"):
        await SILENCE.prepare({"alert": "X"}, like.context)
    async with at(like.url, bearer="s3cret") as context:
        performance = await perform(SILENCE, {"alert": "X"}, context, Desk().console)
        assert performance.verdict and performance.verdict.state == "worked"
        assert performance.plan and "s3cret" not in repr(performance.plan)
        assert "$ALERTMANAGER_TOKEN" in performance.plan.command
    like.like.login = "Basic bWFyaWE6cHc="
    async with at(like.url, username="maria", password="pw") as context:
        assert (await SILENCE.permitted(context)).level == "ok"


async def test_somebody_elses_silence_is_ended_with_a_warning(like: Place) -> None:
    plan = await SILENCE.prepare({"alert": "X"}, like.context)
    body = {**plan.details["body"], "createdBy": "joe", "comment": "deploy"}  # type: ignore[dict-item]
    outcome = await SILENCE.execute(replace(plan, details={**plan.details, "body": body}), like.context)
    ending = await UNSILENCE.prepare({"silence": outcome.touched[0].id}, like.context)
    assert guards_of(ending)["whose"].level == "warn" and "joe's: deploy" in guards_of(ending)["whose"].reason
    assert like.like
    like.like.silences[outcome.touched[0].id]["endsAt"] = "2020-01-01T00:00:00Z"
    refused = await UNSILENCE.execute(ending, like.context)
    assert refused.state == "refused" and "is expired now" in refused.answer


async def test_a_silence_that_is_not_there_can_not_be_ended(like: Place) -> None:
    for wanted in ("", "nobody"):
        with pytest.raises(ActionError, match="has no silence"):
            await UNSILENCE.prepare({"silence": wanted}, like.context)


async def test_the_literal_commands_do_the_same(place: Place) -> None:
    await fire(place.url, HOSTILE, "a")
    plan = await SILENCE.prepare({"alert": HOSTILE}, place.context)
    status, printed = await shell(plan.command, ALERTMANAGER_URL=place.url)
    assert status == 0 and "silenceID" in printed, printed
    verdict = await SILENCE.verify(plan, Outcome(state="done", answer=""), place.context)
    assert verdict.state == "worked", verdict
    ending = await UNSILENCE.prepare({"silence": plan.details["mark"]}, place.context)  # type: ignore[dict-item]
    status, printed = await shell(ending.command, ALERTMANAGER_URL=place.url)
    assert status == 0, printed
    assert (await UNSILENCE.verify(ending, Outcome(state="done", answer=""), place.context)).state == "worked"


@pytest.mark.skipif(BINARY is None or shutil.which("amtool") is None, reason="no alertmanager and amtool on PATH")
async def test_the_literal_undo_ends_it(tmp_path: Path) -> None:
    async with real_alertmanager(tmp_path) as url, at(url) as context:
        plan = await SILENCE.prepare({"alert": HOSTILE}, context)
        await SILENCE.execute(plan, context)
        assert plan.undo
        status, printed = await shell(plan.undo.command, ALERTMANAGER_URL=url)
        assert status == 0, printed
        verdict = await SILENCE.verify(replace(plan, deadline_s=0.2), Outcome(state="done", answer=""), context)
        assert verdict.state == "no effect" and "expired" in verdict.because


def test_without_an_address_it_is_unavailable() -> None:
    settings = settings_of()
    assert "alertmanager.url" in (SILENCE.unavailable(settings, open_sources(settings)) or "")


@pytest.mark.parametrize("hours", [3, -3])
async def test_a_silence_begins_now_by_alertmanagers_clock_and_the_difference_is_said(like: Place, hours: int) -> None:
    like.like.ahead = timedelta(hours=hours)
    await fire(like.url, "HighErrorRate", "a")
    performance = await perform(SILENCE, {"alert": "HighErrorRate", "duration": "30m"}, like.context, Desk().console)
    assert performance.outcome and performance.outcome.state == "done", performance
    (made,) = like.like.silences.values()
    begins, ends = (datetime.fromisoformat(made[key].replace("Z", "+00:00")) for key in ("startsAt", "endsAt"))
    assert abs(begins - like.like.now) < timedelta(seconds=30) and ends - begins == timedelta(minutes=30)
    clocks = guards_of(performance.plan)["clocks"]
    assert clocks.level == "warn" and ("ahead of" if hours > 0 else "behind") in clocks.reason
    assert performance.verdict and performance.verdict.state == "worked"


async def test_with_equal_clocks_nothing_is_said_of_them(like: Place) -> None:
    plan = await SILENCE.prepare({"alert": "HighErrorRate"}, like.context)
    assert "clocks" not in guards_of(plan)


async def test_what_alertmanager_says_to_a_refused_silence_is_shown(like: Place) -> None:
    plan = await SILENCE.prepare({"alert": "HighErrorRate", "duration": "30m"}, like.context)
    like.like.ahead = timedelta(hours=2)  # between the look and the act
    outcome = await SILENCE.execute(plan, like.context)
    assert outcome.state == "refused" and "end time can't be in the past" in outcome.answer
