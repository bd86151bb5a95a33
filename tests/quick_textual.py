"""What Textual does slowly in tests, done quickly: styles are parsed once, no key waits for an idle CPU, and no frame
is drawn that nobody looks at."""

from __future__ import annotations

import asyncio
import contextlib
import time
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from textual import events, keys
from textual._context import visible_screen_stack
from textual.app import App, ScreenStackError
from textual.css import stylesheet
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip

from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.compositor import DiffingApp
from nexconsole.widgets.spans import Line
from nexconsole.widgets.styles import STYLES

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


def _leave_undrawn(screen: Screen[Any]) -> None:
    """A frame without a terminal is drawn when the test asks what it shows, as by `text_of`."""
    app = screen.app
    if not isinstance(app, DiffingApp) or not app.is_headless or screen is not app.screen:
        draw(screen)
        return
    screen._compositor._dirty_regions.clear()
    screen._dirty_widgets.clear()
    app._update_mouse_over(screen)


def _show_lines(canvas: LineCanvas, lines: tuple[Line, ...]) -> None:
    """What would fail when it is drawn fails when it is shown: a style that there is not."""
    assert {name for line in lines for _, name in line} <= STYLES.keys()
    _show(canvas, lines)


def strips(app: App[Any]) -> list[Strip]:
    """What the terminal would show now, top to bottom, with what lies beneath a dialog."""
    visible_screen_stack.set(app._background_screens)
    return app.screen._compositor.render_strips()


draw = Screen._compositor_refresh
_show = LineCanvas.show_lines


def make_textual_quick() -> None:
    stylesheet.parse = _parse_once  # type: ignore[assignment]
    App._press_keys = _press_keys  # type: ignore[method-assign]
    Pilot.pause = _pause  # type: ignore[method-assign]
    Screen._compositor_refresh = _leave_undrawn  # type: ignore[method-assign]
    LineCanvas.show_lines = _show_lines  # type: ignore[method-assign]
