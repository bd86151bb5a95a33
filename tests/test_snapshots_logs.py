"""What the pods' logs look like: wrapped, sideways, filtered, paused, and with one purchase followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from frozen_console import SIZES, console, shown
from pod_lines import line, pods
from textual.pilot import Pilot

from nexconsole.screens import pod_logs
from nexconsole.screens.pod_logs import PodLogs

APP = "nexnum-app-7d9f8b6c54-"
WHO = {"context": "PURCHASE", "correlationId": "purchase_1796006549151_3bce3b50", "userId": "21e15094-9efe"}
REQUEST = "req_mx2nx1v6_ff059fba"
FAILED = "API Request Failed (503 Service Unavailable)"
STEPS: tuple[tuple[int, str, str, dict[str, object]], ...] = (
    (0, "info", "\x1b[1mPOST\x1b[0m /api/numbers/purchase", {"context": "API", "type": "upstream_request"}),
    (0, "info", "[PURCHASE_INIT] Purchase request received", {**WHO, "body": {"provider": "smsbower"}}),
    (1, "info", "[PURCHASE_RESERVE_SUCCESS] Funds reserved and pending order created", {**WHO, "reservedAmount": 1.5}),
    (1, "info", "SmartRouter: Attempting purchase from smsbower for 22...", {}),
    (3, "error", "[DynamicProvider:smsbower] Request failed", {"error": FAILED, "duration": "2012ms"}),
    (3, "warn", f"SmartRouter: Purchase failed on smsbower: {FAILED}", {"errorType": "UNKNOWN", "isNoStock": False}),
    (3, "error", "[PURCHASE_PROVIDER_CALL_FAIL] Provider request failed, rolling back", {**WHO, "error": "No numbers"}),
)


def logs() -> Any:
    """Three pods: a purchase that fails among the lines of others, a stack, a line without a time."""
    kubernetes = pods(f"{APP}x2k4p", f"{APP}9qw2z", f"{APP}b7m5t")
    first, second, third = (log.recent for log in kubernetes.logs.followed.values())
    for n in range(30):
        text = json.dumps(
            {"level": "info", "time": n, "requestId": f"req_other_{n:04}", "msg": f"GET /api/numbers {n}"}
        )
        second.add([line(n - 30, text)], 100)
    for at, level, message, fields in STEPS:
        text = json.dumps({"level": level, "time": at, "requestId": REQUEST, **fields, "msg": message})
        first.add([line(at, text)], 300)
    stack = ("Request failed: Error: Breaker is open", "    at async r.request (/app/.next/server/4821.js:1:20331) {")
    second.add([line(2, text) for text in (*stack, "  code: 'EOPENBREAKER'", "}")], 300)
    third.add([line(2, "[DynamicProvider:smsbower] Circuit HALF-OPEN - Testing"), b"a line without a time"], 100)
    return kubernetes


def page(*keys: str, of: str = "", then: Callable[[PodLogs], None] = lambda screen: None) -> Callable[[Pilot], Any]:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        screen = PodLogs(logs(), of, providers=lambda: {"smsbower": ("SMSBower",)})
        pilot.app.push_screen(screen)
        await pilot.pause()
        for _ in range(2):
            screen.read()
        screen.paint()
        if keys:
            await pilot.press(*keys)
        then(screen)
        screen.read()
        screen.read()
        screen._notice = ""
        screen.paint()
        await pilot.pause()

    return run_before


def more(screen: PodLogs) -> None:
    """Lines that come while it is paused."""
    log = next(iter(screen.logs.followed.values()))
    log.recent.add([line(60 + n, f"came later {n}") for n in range(214)], 4_000)


VIEWS = {
    "wrapped": page(),
    "sideways": page("k", "k", "w", "right"),
    "filtered": page("v", of="smsbower"),
    "paused": page("left_square_bracket", then=more),
    "followed": page("left_square_bracket", "enter"),
    "nothing": page(of="of which nobody speaks"),
}


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read or drawn but where the test says so."""
    monkeypatch.setattr(pod_logs, "EVERY_S", 1e6)
    monkeypatch.setattr(pod_logs, "DRAWN_EVERY_S", 1e6)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("view", VIEWS)
def test_the_logs_look_as_they_did(snap_compare, view: str, size: tuple[int, int]) -> None:
    assert snap_compare(console("incident"), run_before=VIEWS[view], terminal_size=size)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "colour-blind"])
def test_the_logs_can_be_read_in_every_theme(snap_compare, theme: str) -> None:
    assert snap_compare(console("incident", theme), run_before=VIEWS["paused"], terminal_size=(120, 40))
