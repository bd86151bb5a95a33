"""The example of a settings file and the settings as JSON: every key, as declared, and no secret."""

from __future__ import annotations

import json
import re
import tomllib

import msgspec
import pytest

from nexconsole import settings
from nexconsole.cli.main import run
from nexconsole.screens import key_check
from nexconsole.settings import example
from nexconsole.settings.loading import FREE, SECRETS
from nexconsole.settings.tables import SignalSettings

UNCOMMENTED = re.compile(r"^#(?! )", re.MULTILINE)


def loaded(folder, text: str) -> settings.Settings:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return settings.load(str(file), environ={}).settings


def test_the_example_loads_as_it_is_and_changes_nothing(tmp_path):
    assert loaded(tmp_path, example.example()) == settings.Settings()


def test_the_example_with_every_key_set_gives_the_defaults_and_its_own_signal(tmp_path):
    every = loaded(tmp_path, UNCOMMENTED.sub("", example.example()))
    assert msgspec.structs.replace(every, signals={}) == settings.Settings()
    assert every.signals == {"live-numbers": SignalSettings(**example.SAMPLE_VALUES)}


def test_every_key_is_in_the_example_once_with_its_meaning():
    named = [key.dotted for key in example.keys()]
    assert named == list(dict.fromkeys(named))
    assert {*named, "signals", "keys"} == {key for key, _, _ in settings.load(environ={}).rows()}
    assert [key.dotted for key in example.keys() if not key.meaning] == []


def test_a_key_stands_below_its_meaning_unit_choices_variable_and_secret():
    text = example.example()
    assert "# for connecting, TLS and login\n# unit: seconds\n#connect_timeout_s = 3.0\n" in text
    assert '# auto: off over SSH\n# one of auto, on, off\n#motion = "auto"\n' in text
    assert "# unit: MB\n#limit_mb = 20.0\n" in text
    assert "# an alert's severity label -> ours\n#alerts = " in text  # whose comment stands behind several lines
    assert "#kubeconfig" in text and "# KUBECONFIG; " in text
    secret = "".join(text.partition("[prometheus]\n")[2].splitlines()[4:7])
    assert secret.count("secret: the value, or { command") == 1 and '#bearer = ""' in secret


@pytest.mark.parametrize(
    "value",
    [
        True,
        3,
        0.05,
        1e-07,
        "plain",
        'a "quoted" word',
        "both ' and \"",
        "tab\t, line\n, bell\a, delete\x7f, é ☎",
        [],
        ["a", "b"],
        {},
        {"plain-key": "x", "with space": 1.5, 'quo"te': "y"},
    ],
)
def test_a_value_is_read_back_as_it_was_written(value):
    assert tomllib.loads(f"key = {example.toml(value)}")["key"] == value


def test_the_example_can_set_values_and_say_more(tmp_path):
    values = {"prometheus.url": "https://metrics", "circuits.cooldown_s": 15.0}
    text = example.example(values, {"": ["made by hand"], "postgres.url": ["DATABASE_URL is set"]})
    chosen = loaded(tmp_path, text)
    assert (chosen.prometheus.url, chosen.circuits.cooldown_s, chosen.postgres.url) == ("https://metrics", 15.0, "")
    assert "\n# made by hand\n" in text and '# DATABASE_URL is set\n#url = ""\n' in text


def test_the_command_prints_the_example_also_where_the_settings_are_refused(capsys, monkeypatch):
    monkeypatch.setenv("NEXCONSOLE_CONFIG", "/nowhere/config.toml")
    assert run(["settings", "--example"]) == 0
    assert capsys.readouterr() == (example.example() + key_check.example(), "")


def test_json_has_every_value_with_its_type_and_origin(capsys):
    assert run(["settings", "--json", "--operator", "maria", "--theme", "light"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    rows = document["settings"]
    assert rows["operator"] == {"value": "maria", "origin": "flag"}
    assert rows["circuits.cooldown_s"] == {"value": 30.0, "origin": "default"}
    assert rows["locks.watch"]["value"] == ["purchase", "number"]
    assert rows["severity.alerts"]["value"] == {"critical": "SEV-2", "warning": "SEV-3"}


@pytest.mark.parametrize("form", [["--json"], []])
def test_no_secret_is_printed_in_any_form(capsys, tmp_path, form):
    lines = []
    for number, key in enumerate(sorted(SECRETS)):
        value = f'{{ name = "hush{number}" }}' if key in FREE else f'"hush{number}"'
        if key.endswith("url"):
            scheme = "postgresql" if key.startswith("postgres") else "redis"
            value = f'"{scheme}://user:hush{number}@host/0"'
        lines.append(f"{key} = {value}")
    file = tmp_path / "config.toml"
    file.write_text("\n".join(lines))
    assert run(["settings", "--config", str(file), *form]) == 0
    shown = capsys.readouterr().out
    assert "hush" not in shown and shown.count("***") == len(SECRETS)
    assert "postgresql://user:***@host/0" in shown


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_password_in_libpqs_words_is_a_secret_too(capsys, tmp_path, form):
    file = tmp_path / "config.toml"
    file.write_text('postgres.url = "host=db dbname=nexnum user=u password=hush"')
    assert run(["settings", "--config", str(file), *form]) == 0
    shown = capsys.readouterr().out
    assert "hush" not in shown and "***" in shown
