"""Profiles: each is one NexNum with addresses and places of its own; nothing of another's is shown under its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from controller import text_of
from frozen_console import console

from nexconsole import paths, settings
from nexconsole.cli.main import run
from nexconsole.errors import SettingsError
from nexconsole.journal import journal_folder, new_incident
from nexconsole.model import utc_now
from nexconsole.settings import Settings
from nexconsole.sharing.redis_link import RedisLink
from nexconsole.sources.flight_record import flight_record_file
from nexconsole.widgets import banner

TWO = """
theme = "light"
[redis]
timeout_s = 1.5
[prometheus]
headers = { X-Scope-OrgID = "base" }
[profiles.eu]
postgres.url = "postgresql://eu.internal/nexnum"
prometheus.headers = { X-Other = "eu" }
[profiles.us]
theme = "dark"
name = "nexnum-us"
redis.url = "redis://us.internal"
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], str]:
    """Write a settings file and give its path."""

    def write(text: str) -> str:
        path = tmp_path / "nexconsole.toml"
        path.write_text(text)
        return str(path)

    return write


def test_a_profile_lies_over_the_base_and_each_table_of_free_keys_is_its_own(config) -> None:
    eu = settings.load(config(TWO), environ={}, profile="eu")
    assert (eu.settings.theme, eu.settings.redis.timeout_s) == ("light", 1.5)
    assert eu.settings.prometheus.headers == {"X-Other": "eu"}
    assert eu.origins["postgres.url"].endswith("nexconsole.toml: profiles.eu")
    assert eu.profiles == ("eu", "us")
    us = settings.load(config(TWO), environ={}, profile="us").settings
    assert (us.theme, us.name, us.postgres.url) == ("dark", "nexnum-us", "")
    assert settings.load(config(TWO), environ={}).settings.profile == ""


def test_it_is_chosen_by_flag_then_variable_then_file_and_none_means_none(config) -> None:
    file = config('profile = "us"\n' + TWO)

    def chosen(profile: str | None = None, variable: str = "") -> str:
        return settings.load(file, environ={"NEXCONSOLE_PROFILE": variable}, profile=profile).settings.profile

    assert [chosen(), chosen(variable="eu"), chosen("us", "eu"), chosen("none", "eu"), chosen(variable="none")] == [
        "us",
        "eu",
        "us",
        "",
        "",
    ]


def test_an_address_of_the_shell_is_never_shown_under_a_profile_s_name(config) -> None:
    environ = {
        "DATABASE_URL": "postgresql://shell/db",
        "REDIS_URL": "redis://shell",
        "CRON_SECRET": "of the shell",
        "KUBECONFIG": "/shell/kubeconfig",
    }
    loaded = settings.load(config(TWO), environ=environ, profile="eu")
    chosen = loaded.settings
    assert chosen.postgres.url == "postgresql://eu.internal/nexnum"
    assert (chosen.redis.url, chosen.api.cron_secret, chosen.kubernetes.kubeconfig) == ("", "", "")
    (note,) = loaded.notes
    assert "REDIS_URL, CRON_SECRET, KUBECONFIG" in note and "DATABASE_URL" not in note and "eu" in note
    assert settings.load(config(TWO), environ=environ).settings.postgres.url == "postgresql://shell/db"


def test_the_cluster_that_kubectl_would_take_is_a_profile_s_only_by_its_context(config, tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("{}")
    environ = {"HOME": str(tmp_path)}
    assert settings.load(config(TWO), environ=environ, profile="eu").settings.kubernetes.kubeconfig == ""
    assert settings.load(config(TWO), environ=environ).settings.kubernetes.kubeconfig == "as-kubectl"
    with_context = config(TWO + '[profiles.us.kubernetes]\ncontext = "us"\n')
    assert settings.load(with_context, environ=environ, profile="us").settings.kubernetes.kubeconfig == "as-kubectl"


@pytest.mark.parametrize(
    ("flags", "named"),
    [({"postgres.url": "postgresql://x"}, "postgres.url"), ({"environment": "staging"}, "environment")],
)
def test_a_flag_that_leads_elsewhere_is_refused(config, flags, named) -> None:
    with pytest.raises(SettingsError, match=f"flag: {named}: the profile eu says where to go"):
        settings.load(config(TWO), flags, {}, "eu")
    assert settings.load(config(TWO), {"operator": "maria"}, {}, "eu").settings.operator == "maria"


@pytest.mark.parametrize(
    ("text", "profile", "said"),
    [
        (TWO, "eux", "--profile: there is no profile eux: did you mean eu"),
        ("", "eu", "there is no profile eu: .*has no .profiles"),
        ("[profiles.eu.postgres]\nurll = 'x'", None, r"profiles.eu: postgres.urll: there is no such key.*postgres.url"),
        ("[profiles.eu.redis]\nurl = 'x'", None, "profiles.eu: redis.url: expected an address"),
        ("[profiles.eu]\nprofile = 'us'", None, "profiles.eu.profile: a profile holds no other"),
        ("[profiles.EU]\nname = 'x'", None, "profiles.EU: a name is"),
        ("[profiles.none]\nname = 'x'", None, "profiles.none: a name is"),
        ("[profiles]\neu = 1", None, r"profiles.eu: expected a table"),
        ("profiles = 1", None, "profiles: expected tables"),
        ("\n".join(f"[profiles.p{n}]" for n in range(13)), None, "there are 13; at most 12"),
        ("profile = 3\n[profiles.eu]", None, "profile: there is no profile 3"),
        ("[profiles.a]\nname='x'\n[profiles.b]\nname='x'", None, "profiles.b.name: it is that of the profile a"),
        (
            "[profiles.a.journal]\nfolder='/x/j'\n[profiles.b.journal]\nfolder='/x/../x/j'",
            None,
            "profiles.b.journal.folder: it is that of the profile a",
        ),
        (
            "[recorder]\nfile='/f'\n[profiles.a.recorder]\nfile='/f-b'\n[profiles.b]",
            None,
            "profiles.b.recorder.file: it is that of the profile a",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_file_profile_and_key(config, text, profile, said) -> None:
    with pytest.raises(SettingsError, match=said):
        settings.load(config(text), environ={}, profile=profile)


def test_only_the_chosen_profile_s_commands_are_run(config) -> None:
    text = TWO + '[profiles.eu.api]\ncron_secret = { command = ["echo", "eu-secret"] }\n'
    text += '[profiles.us.api]\ncron_secret = { command = ["false"] }\n'
    assert settings.load(config(text), environ={}, profile="eu").settings.api.cron_secret == "eu-secret"
    assert settings.load(config(text), environ={}).settings.api.cron_secret == ""
    with pytest.raises(SettingsError, match="the command false failed"):
        settings.load(config(text), environ={}, profile="us")


@pytest.mark.parametrize("shared", ["", "[journal]\nfolder = '/shared'\n[recorder]\nfile = '/shared/f.record'\n"])
def test_two_profiles_share_no_folder_recording_sheet_or_key(config, shared) -> None:
    file = config(shared + '[postgres]\nurl = "postgresql://one/db"\n[profiles.eu]\n[profiles.us]\n')
    found = [settings.load(file, environ={}, profile=name).settings for name in ("eu", "us")]
    found.append(settings.load(file, environ={}).settings)
    for place in (
        journal_folder,
        flight_record_file,
        lambda chosen: chosen.break_glass.file,
        lambda chosen: RedisLink(chosen).key("incident", "INC-1"),
        lambda chosen: RedisLink(chosen).channel("presence"),
    ):
        assert len({str(place(chosen)) for chosen in found}) == 3
    assert str(journal_folder(found[0])).startswith("/shared/eu" if shared else str(paths.profile_state("eu")))


def test_a_profile_s_folder_in_a_shared_one_is_the_group_s_too(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    new_incident(shared / "eu", utc_now())
    assert stat.S_IMODE((shared / "eu").stat().st_mode) == 0o2770
    new_incident(tmp_path / "own", utc_now())
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("environment", "drill", "short", "words", "ink"),
    [
        ("production", None, False, " PRODUCTION eu ", "block-production"),
        ("production", None, True, " PRODUCTION eu ", "block-production"),
        ("staging", None, False, " STAGING eu ", "block-other"),
        ("drill", "calm", True, " DRILL eu ", "block-drill"),
    ],
)
def test_the_frame_names_environment_and_profile(environment, drill, short, words, ink) -> None:
    chosen = Settings(environment=environment, profile="eu")
    assert banner.environment(chosen, drill, short=short) == ((words, ink),)


async def test_the_console_names_it_on_a_small_terminal_too() -> None:
    for size in ((80, 24), (200, 50)):
        app = console("calm", profile="eu")
        async with app.run_test(size=size):
            assert "PRODUCTION eu" in text_of(app)


def test_commands_say_which_it_is(config, capsys: pytest.CaptureFixture[str]) -> None:
    file = config(TWO)
    assert run(["--config", file, "--profile", "us", "status"]) == 3
    assert "PRODUCTION nexnum-us profile us" in capsys.readouterr().out
    assert run(["status", "--json", "--config", file, "--profile=us"]) == 3
    assert '"profile": "us"' in capsys.readouterr().out
    assert run(["settings", "--config", file, "--profile", "nowhere"]) == 2
    assert "there is no profile nowhere" in capsys.readouterr().err


def test_libpq_s_variables_do_not_complete_a_profile_s_address(config, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.1")
    assert run(["settings", "--config", config(TWO)]) == 0
    assert os.environ["PGHOSTADDR"] == "10.0.0.1"
    assert run(["settings", "--config", config(TWO), "--profile", "eu"]) == 0
    assert "PGHOSTADDR" not in os.environ
    capsys.readouterr()
