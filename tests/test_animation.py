"""The README opens with a drill from alarm to calm, and the script that made it still makes frames."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pyte

from tests.animation.__main__ import PICTURE, ROWS
from tests.animation.cells import rows_of
from tests.animation.draw import drawn
from tests.animation.record import Film, Frame
from tests.walks.console import walked_console

ROOT = Path(__file__).parent.parent
MOST_BYTES = 1_500_000
SVG = "{http://www.w3.org/2000/svg}"


def frame_of(text: str, columns: int = 20, lines: int = 3, **told: str) -> Frame:
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(text)
    return Frame(rows_of(screen), told.get("key", ""), told.get("says", ""), 2.0)


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_readme_opens_with_the_animation() -> None:
    [alt, path] = re.findall(r"!\[([^]]+)\]\(([^)]+)\)", (ROOT / "README.md").read_text())[0]
    assert (ROOT / path).samefile(PICTURE) and len(alt) > 40


def test_the_animation_plays_as_a_picture_of_a_page() -> None:
    svg = PICTURE.read_text()
    root = ElementTree.fromstring(svg)
    frames = [group for group in root.findall(f"{SVG}g") if "f" in (group.get("class") or "").split()]
    assert 8 <= len(frames) <= 12 and len(svg.encode()) < MOST_BYTES
    assert [group.get("class") for group in frames] == [f"f f{index}" for index in range(len(frames))]
    assert len(re.findall("@keyframes", svg)) == len(frames)
    # A picture of a page loads nothing and runs nothing.
    assert "<script" not in svg and not re.findall(r"(?:href|src)=\"(?!#)|url\(|@import", svg)
    shown = "\n".join(texts(svg))
    assert "SEV-1" in shown and "WORKED" in shown and "CALM" in shown
    defined = {group.get("id") for group in root.iter(f"{SVG}g")}
    assert {(use.get("href") or "")[1:] for use in root.iter(f"{SVG}use")} <= defined


def test_equal_lines_stand_once_and_each_frame_has_its_time() -> None:
    frames = [frame_of("same\r\none <a>", says="first"), frame_of("same\r\ntwo", key="s", says="opens & shows")]
    svg = drawn(frames, 20)
    assert texts(svg) == ["same", "one <a>", "two", "first", "s", "opens & shows"]
    assert "0.00%{visibility:visible}50.00%{visibility:hidden}" in svg
    assert "50.00%{visibility:visible}100.00%{visibility:hidden}" in svg
    assert ".f0{visibility:visible}" in svg and "prefers-reduced-motion" in svg


def test_colours_places_and_frames_are_those_of_the_terminal() -> None:
    svg = drawn([frame_of("a  \x1b[1;38;2;255;0;10mb\x1b[0m\r\n│\x1b[48;2;1;2;3m \x1b[0m")], 20)
    assert "fill:#ff000a" in svg and "fill:#010203" in svg
    assert re.search(r'<text class="c\d+ b"[^>]* x="24"[^>]*>b</text>', svg)
    assert "│" not in svg  # a shape, without gaps in any font


async def test_the_script_keeps_what_the_real_console_shows_after_a_key() -> None:
    command = [sys.executable, "-m", "nexconsole", "--kubeconfig", "none"]
    async with walked_console(command, {}, 100, ROWS) as console:
        film = Film(console)
        await console.see("s: scenario|scenario")
        await film.shoot("", "nothing is configured")
        await film.after("?", "does it", "the keys that work here")
    svg = drawn(film.frames, 100)
    first, second = film.frames
    assert first.rows != second.rows
    assert len(ElementTree.fromstring(svg).findall(f"{SVG}g")) == 2
    assert "the keys that work here" in texts(svg)
