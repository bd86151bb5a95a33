"""Settings: file, environment, flags; refused with file, key and what was expected."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nexconsole import paths, settings
from nexconsole.errors import SettingsError


@pytest.fixture
def config(tmp_path):
    """Write a settings file and give its path."""

    def write(text: str) -> str:
        path = tmp_path / "nexconsole.toml"
        path.write_text(text)
        return str(path)

    return write


def test_without_a_file_everything_has_a_default_and_no_source_is_configured():
    loaded = settings.load(environ={})
    assert loaded.settings == settings.Settings()
    assert {origin for _, _, origin in loaded.lines()} == {"default"}


def test_the_environment_lies_over_the_file_and_flags_over_both(config):
    path = config('operator = "file"\n[api]\nurl = "https://file"\n[redis]\nurl = "redis://file"\n')
    environ = {"API_URL": "https://environ", "REDIS_URL": "redis://environ", "CRON_SECRET": "s"}
    loaded = settings.load(path, {"api.url": "https://flag", "operator": None}, environ)
    assert loaded.settings.operator == "file"
    assert loaded.settings.redis.url == "redis://environ"
    assert loaded.settings.api.url == "https://flag"
    assert loaded.origins["operator"] == path
    assert loaded.origins["redis.url"] == "REDIS_URL"
    assert loaded.origins["api.url"] == "flag"


def test_the_file_is_found_by_variable_and_in_the_xdg_place(config, monkeypatch):
    path = config('name = "named"')
    assert settings.load(environ={"NEXCONSOLE_CONFIG": path}).settings.name == "named"
    paths.config_file().parent.mkdir(parents=True)
    paths.config_file().write_text('name = "xdg"')
    assert settings.load(environ={}).settings.name == "xdg"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[postgres]\nurll = "x"', "postgres.urll: there is no such key"),
        ("[postgress]\nurl = 1", "postgress: there is no such key"),
        ("[postgres]\nurl = 5", "postgres.url: expected `?str"),
        ('theme = "pink"', "theme: invalid enum value 'pink', expected one of dark, light"),
        ("theme = ", "is not TOML"),
        ('[postgres]\nurl = "mysql://x"', "postgres.url: expected an address that begins with postgres://"),
        ("[postgres]\nurl = { command = 5 }", "command must be a list of words"),
        ('[postgres]\nurl = { command = ["/nowhere/pass"] }', "the command /nowhere/pass can't be run"),
        ('[postgres]\nurl = { command = ["false"] }', "the command false failed with 1"),
        ("[transactions]\nwindow_s = -5", "transactions.window_s: expected a number above 0, got -5"),
        ("[redis]\ntimeout_s = 0", "redis.timeout_s: expected a number above 0"),
        ('[severity.alerts]\ncritical = "SEV-9"', "severity.alerts.critical: expected one of SEV-1"),
        ('[prometheus]\nurl = { command = ["true"] }', "prometheus.url: expected `?str"),
    ],
)
def test_what_is_wrong_is_refused_with_file_and_key(config, text, said):
    path = config(text)
    with pytest.raises(SettingsError, match=said) as caught:
        settings.load(path, environ={})
    assert str(caught.value).startswith(path)


def test_a_file_that_was_asked_for_and_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        settings.load(str(tmp_path / "nowhere.toml"), environ={})


def test_a_secret_may_come_from_a_command(config):
    secret = "postgresql://u:topsecret@h/d"
    path = config(f"[postgres]\nurl = {{ command = ['{sys.executable}', '-c', 'print(\"{secret}\")'] }}")
    loaded = settings.load(path, environ={})
    assert loaded.settings.postgres.url == secret


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_command_that_others_could_have_written_is_not_run(config, tmp_path, mode):
    ran = tmp_path / "ran"
    path = config(f"[postgres]\nurl = {{ command = ['touch', '{ran}'] }}")
    Path(path).chmod(mode)
    with pytest.raises(
        SettingsError, match=r"postgres\.url: its command is not run, since others can write .*chmod go-w"
    ):
        settings.load(path, environ={})
    Path(path).chmod(0o600)
    Path(path).parent.chmod(0o777)
    try:
        with pytest.raises(SettingsError, match="others can write"):
            settings.load(path, environ={})
    finally:
        Path(path).parent.chmod(0o700)
    assert not ran.exists()


def test_a_file_that_others_can_write_is_read_where_it_runs_nothing(config):
    path = config("[postgres]\nurl = 'postgresql://db/n'")
    Path(path).chmod(0o666)
    assert settings.load(path, environ={}).settings.postgres.url == "postgresql://db/n"


def test_a_headers_value_may_come_from_a_command(config):
    path = config('[prometheus]\nheaders = { Authorization = { command = ["echo", "Basic abc"] }, X = "1" }')
    assert settings.load(path, environ={}).settings.prometheus.headers == {"Authorization": "Basic abc", "X": "1"}


def test_no_secret_is_shown(config):
    path = config(
        '[postgres]\nurl = "postgresql://u:hush@h/d?schema=public&password=hush"\n[redis]\nurl = "redis://:hush@h"\n'
        'token = "hush"\n[prometheus]\nbearer = "hush"\npassword = "hush"\nheaders = { X = "hush" }\n'
        '[api]\ncron_secret = "hush"\nurl = "https://u:hush@h"\n'
    )
    shown = {key: value for key, value, _ in settings.load(path, environ={}).lines()}
    assert "hush" not in str(shown)
    assert shown["postgres.url"] == "postgresql://u:***@h/d?schema=public&password=***"


@pytest.mark.parametrize("key", ["postgres.url", "redis.url", "prometheus.url", "api.url", "alertmanager.url"])
@pytest.mark.parametrize(
    "odd", ["http://u:p[w@h", "http://[::1", "http://u:\u2100@h", "http://h:99999999", "'http://h'"]
)
def test_an_address_that_no_parser_takes_is_a_sentence_of_its_key_and_never_a_traceback(config, key, odd):
    table, _, name = key.partition(".")
    path = config(f"[{table}]\n{name} = {json.dumps(odd)}\n")
    try:
        settings.load(path, environ={})
    except SettingsError as error:
        assert key in str(error)


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("MEILISEARCH_HOST", "http://meilisearch:7700", "http://meilisearch:7700"),
        ("MEILI_HOST", "meilisearch:7700", "http://meilisearch:7700"),
        ("MEILISEARCH_HOST", "https://search.example", "https://search.example"),
    ],
)
def test_the_search_index_is_found_by_nexnums_own_variable_with_a_scheme_or_without(variable, value, url):
    loaded = settings.load(environ={variable: value})
    assert (loaded.settings.search.url, loaded.origins["search.url"]) == (url, variable)


def test_a_status_page_that_is_no_address_is_refused_with_its_key(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[providers.status_pages]\nsmsbower = "status.smsbower.example"\n')
    with pytest.raises(SettingsError, match=r"providers\.status_pages\.smsbower: expected an address that begins with"):
        settings.load(str(file), environ={})
    file.write_text('[providers.status_pages]\nsmsbower = "https://status.smsbower.example"\n')
    assert settings.load(str(file), environ={}).settings.providers.status_pages == {
        "smsbower": "https://status.smsbower.example"
    }
