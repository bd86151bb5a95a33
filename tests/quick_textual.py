"""What Textual does slowly in tests, done quickly: styles are parsed once, and no key waits for an idle CPU."""

from __future__ import annotations

import asyncio
import contextlib
import time
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from textual import events, keys
from textual.app import App, ScreenStackError
from textual.css import stylesheet
from textual.pilot import Pilot

PACE_S = 0.06  # a person presses one key after the other: no dialog takes them for a burst
DRAWN_S = 3.0  # the longest that is waited for a screen to be drawn
TURNS = 5  # of the loop, one after the other, that leave nothing to do

_parse = stylesheet.parse
_parsed: dict[object, list[Any]] = {}
_pressed_at = 0.0


def _parse_once(scope: str, css: str, read_from: object, *, variable_tokens: Mapping[str, Any], **flags: Any) -> Any:
    variables = tuple((name, tuple(tokens)) for name, tokens in variable_tokens.items())
    key = (scope, css, read_from, variables, tuple(flags.items()))
    if key not in _parsed:
        _parsed[key] = list(_parse(scope, css, read_from, variable_tokens=variable_tokens, **flags))
    return _parsed[key]


async def nothing_left_to_run() -> None:
    loop, idle = asyncio.get_running_loop(), 0
    deadline = time.monotonic() + DRAWN_S
    while idle < TURNS and time.monotonic() < deadline:
        await asyncio.sleep(0)
        idle = 0 if loop._ready else idle + 1  # type: ignore[attr-defined]


async def standing(app: App[Any]) -> None:
    """Wait until the screen on top and all that is on it is mounted."""
    deadline = time.monotonic() + DRAWN_S
    while time.monotonic() < deadline and not app._exit:
        with contextlib.suppress(ScreenStackError):
            if all(node.is_mounted for node in app.screen.walk_children(with_self=True)):
                return
        await asyncio.sleep(0.002)


async def _drawn(app: App[Any]) -> None:
    await standing(app)
    drawn = asyncio.Event()
    with contextlib.suppress(TimeoutError, ScreenStackError):
        async with asyncio.timeout(DRAWN_S):
            if app.screen.call_after_refresh(drawn.set):
                await drawn.wait()


async def _press_keys(app: App[Any], pressed: Iterable[str]) -> None:
    global _pressed_at
    for key in pressed:
        name = keys._character_to_key(key) if len(key) == 1 and not key.isalnum() else key
        try:
            character = unicodedata.lookup(keys._get_unicode_name_from_key(keys.REPLACED_KEYS.get(name, name)))
        except KeyError:
            character = name if len(name) == 1 else None
        event = events.Key(name, character)
        event.time = _pressed_at = max(event.time, _pressed_at) + PACE_S
        event.set_sender(app)
        assert app._driver is not None
        app._driver.send_message(event)
        await nothing_left_to_run()
    await _drawn(app)


async def _pause(pilot: Pilot[Any], delay: float | None = None) -> None:
    await pilot._wait_for_screen()
    if delay is None:
        await _drawn(pilot.app)
        await nothing_left_to_run()
    else:
        await asyncio.sleep(delay)
    pilot.app.screen._on_timer_update()


def make_textual_quick() -> None:
    stylesheet.parse = _parse_once  # type: ignore[assignment]
    App._press_keys = _press_keys  # type: ignore[method-assign]
    Pilot.pause = _pause  # type: ignore[method-assign]
