"""Keys that the settings change: what is refused and why; and the changed key is the one that works and is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from controller import controller, settings, text_of, until
from textual.binding import Binding

from nexconsole.cli.main import run
from nexconsole.errors import SettingsError
from nexconsole.screens.incident import IncidentScreen
from nexconsole.screens.journal import JournalScreen
from nexconsole.screens.key_check import ANSWERED, all_bindings, check, example, fixed, places
from nexconsole.screens.prompt import Prompt
from nexconsole.settings import load
from nexconsole.widgets.banner import key_of
from nexconsole.widgets.key_map import KEY_MAP, bindings_of, keys_of


@pytest.fixture(autouse=True)
def defaults():
    yield
    KEY_MAP.use({})


def wrong(**changed: str) -> str:
    try:
        check({id.replace("__", "."): keys for id, keys in changed.items()}, "FILE")
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"operation__unod": "U"}, 'keys."operation.unod": there is no such binding: did you mean operation.undo?'),
        ({"operation__undo": "shift+u"}, 'shift+u is written "U"'),
        ({"operation__undo": "pagdown"}, 'there is no key "pagdown": did you mean pagedown?'),
        ({"operation__undo": "esc"}, 'there is no key "esc": did you mean escape?'),
        ({"operation__undo": "return"}, "can't be told from enter"),
        ({"operation__undo": "\u0301"}, "there is no key"),
        ({"operation__undo": "U,"}, 'there is no key ""'),
        ({"operation__undo": "ctrl+m"}, "can't be told from enter"),
        ({"operation__undo": "x"}, 'x is the key of "step.skip" in the scenario'),
        ({"journal__note": "v"}, 'v is the key of "incident.severity" on the incident'),
        ({"operation__undo": "W", "journal__note": "W"}, 'W is the key of "journal.note"'),
        ({"row__down": "s"}, 's is the key of "scenario.open"'),
        ({"row__up": "up", "operation__undo": "k"}, "k can't be taken: it moves"),
        *[({"operation__undo": key}, "it is the same everywhere") for key in ("q", "?", "escape", "ctrl+p", "ctrl+y")],
        *[
            ({id: "Z"}, "it can't be changed")
            for id in ("app__quit", "app__keys", "app__palette", "pane__restore", "journal__close", "step__leave")
        ],
        *[({id: "Z"}, "no such binding") for id in ("confirm__unfold", "confirm__cancel", "prompt__cancel")],
    ],
)
def test_a_key_that_cannot_be_is_refused_with_file_and_key(changed: dict[str, str], why: str) -> None:
    said = wrong(**changed)
    assert said.startswith('FILE: keys."') and why in said


@pytest.mark.parametrize(
    "changed",
    [
        {"operation__undo": "U"},
        {"operation__undo": "U, ctrl+z,f5,alt+u"},
        {"journal__note": ""},
        {"journal__note": "U", "operation__undo": "N", "sheet__previous": "shift+tab"},
        {"picture__freeze": "c", "picture__copy": "p", "step__copy": "p"},
        {"picture__copy": "Y", "step__copy": "Y"},
        {"logs__filter": "ampersand"},
    ],
)
def test_a_key_that_nothing_else_has_is_taken(changed: dict[str, str]) -> None:
    assert wrong(**changed) == ""


@pytest.mark.parametrize("text", ['"operation.undo" = "x"', 'operation.undo = "x"'])
def test_the_settings_are_refused_with_exit_code_2(tmp_path: Path, monkeypatch, capsys, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[keys]\n{text}\n")
    monkeypatch.setenv("NEXCONSOLE_CONFIG", str(file))
    assert run(["settings"]) == 2
    assert f'{file}: keys."operation.undo": x is the key' in capsys.readouterr().err


def test_the_example_lists_every_binding_that_may_be_changed_and_its_defaults_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(example().replace('\n#"', '\n"'))
    loaded = load(str(file), environ={})
    assert set(loaded.settings.keys) == set(all_bindings()) - fixed()
    check(loaded.settings.keys, "FILE")
    assert tomllib.loads(file.read_text())["keys"]["operation.undo"] == "u"


def test_every_binding_has_an_id_and_says_what_it_does() -> None:
    kinds = {kind for place in places() for kind in place.kinds}
    kinds |= {one for base in ANSWERED for one in (base, *base.__subclasses__())}
    own = [
        (kind.__name__, one)
        for kind in kinds
        for base in kind.__mro__
        if base.__module__.startswith("nexconsole.")
        for one in vars(base).get("BINDINGS", ())
    ]
    assert len(own) > 100
    assert [(kind, one) for kind, one in own if not (isinstance(one, Binding) and one.id and one.tooltip)] == []


def test_no_two_actions_have_one_key_in_one_place() -> None:
    doubled = []
    for place in places():
        kind = place.kinds[0]
        seen: dict[str, Binding] = {}
        for base in kind.__mro__:
            for key, binding in [(key, one) for one in _own(base) for key in keys_of(one.key)]:
                if base is kind and key in seen and seen[key].action != binding.action:
                    doubled.append((kind.__name__, key, seen[key].id, binding.id))
                seen.setdefault(key, binding)
    assert doubled == []


def _own(kind: type) -> list[Binding]:
    return [one for one in vars(kind).get("BINDINGS", ()) if isinstance(one, Binding)]


def test_one_id_means_one_thing() -> None:
    kinds = {kind for place in places() for kind in place.kinds}
    defaults: dict[str, set[tuple[str, ...]]] = {}
    for kind in kinds:
        for one in bindings_of(kind):
            defaults.setdefault(one.id or "", set()).add(keys_of(one.key)[:1])
    assert {id: keys for id, keys in defaults.items() if len(keys) > 1} == {}


CHANGED = {
    "journal.note": "N",
    "journal.show": "H",
    "incident.show": "I",
    "picture.freeze": "",
    "sheet.previous": "shift+tab",
    "picture.copy": "Z",
    "scenario.open": "f6,K",
    "step.skip": "X",
}


async def test_the_changed_key_works_and_the_old_one_does_nothing(tmp_path: Path) -> None:
    check(CHANGED, "FILE")
    async with controller(settings(tmp_path, keys=CHANGED), size=(160, 40)) as (app, pilot):
        await pilot.press("n", "J", "p", "s")
        await pilot.pause()
        assert app.screen is app.console_screen and app.console_screen.frozen_at is None
        assert app.controller.scenarios.pane is None
        await pilot.press("N")
        await until(lambda: isinstance(app.screen, Prompt))
        await pilot.press("escape")
        await pilot.press("H")
        await until(lambda: isinstance(app.screen, JournalScreen))
        await pilot.press("J")
        await pilot.pause()
        assert isinstance(app.screen, JournalScreen)
        await pilot.press("N")
        await until(lambda: isinstance(app.screen, Prompt))
        await pilot.press("escape", "H")
        await until(lambda: app.screen is app.console_screen)
        await app.controller.session.open_incident("purchases fail", "SEV-1")
        await pilot.press("I")
        await until(lambda: isinstance(app.screen, IncidentScreen))
        await pilot.press("I")
        await until(lambda: app.screen is app.console_screen)


async def test_what_names_a_key_names_the_one_in_force(tmp_path: Path) -> None:
    async with controller(settings(tmp_path, keys=CHANGED), size=(160, 40)) as (app, pilot):
        await until(lambda: "f6 opens it" in text_of(app))
        strip = text_of(app).splitlines()[-1]
        assert "N note" in strip and "H journal" in strip and "f6 scenario" in strip and "Z copy" in strip
        assert "freeze" not in strip and "n note" not in strip and "0-9 pane" in strip
        titles = {command.title for command in app.palette_commands()}
        assert {"Write a note (N)", "Journal (H)", "Freeze", "Copy (Z)"} <= titles
        assert key_of("picture.freeze") == "^P"  # it is still in the palette
        await pilot.press("Z")
        await until(lambda: "tab goes to a pane, then Z copies it" in text_of(app))
        await pilot.press("K")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: "X skips" in text_of(app))
        await pilot.press("escape")
        assert pane is not app.controller.scenarios.pane
        await pilot.press("H")
        await until(lambda: "N note" in text_of(app).splitlines()[-1])
        await pilot.press("escape", "question_mark")
        listed = await until(lambda: getattr(app.screen, "found", None))
        assert {entry.does: entry.keys for entry in listed}["Write a one-line note in the journal"] == ("N",)
        assert not any("Freeze the picture" in entry.does for entry in listed)


async def test_keys_that_are_shown_as_one_are_left_out_where_one_of_them_is_changed(tmp_path: Path) -> None:
    async with controller(settings(tmp_path, keys={"pane.circuits": "f2"}), size=(160, 40)) as (app, pilot):
        assert "0-9" not in text_of(app).splitlines()[-1]
        await pilot.press("2")
        await pilot.pause()
        assert app.console_screen.maximized_pane is None
        await pilot.press("f2")
        await until(lambda: app.console_screen.maximized_pane is not None)


async def test_two_keys_may_change_places(tmp_path: Path) -> None:
    swapped = {"picture.freeze": "c", "picture.copy": "p", "step.copy": "p"}
    async with controller(settings(tmp_path, keys=swapped)) as (app, pilot):
        await pilot.press("p")
        assert app.console_screen.frozen_at is None
        await pilot.press("c")
        await until(lambda: app.console_screen.frozen_at is not None)
