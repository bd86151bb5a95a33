"""`nexconsole init`: what is set and answers, no secret, and nothing is overwritten."""

from __future__ import annotations

import stat

import pytest

from nexconsole import paths, settings
from nexconsole.cli import init
from nexconsole.cli.main import run
from nexconsole.doctor.check import Check
from nexconsole.drill.schema import Era, ddl

NOWHERE = "http://127.0.0.1:1"


def columns(era: Era) -> dict[str, dict[str, str]]:
    """The columns of the tables that an era creates, by their names in its script."""
    tables: dict[str, dict[str, str]] = {}
    for text in ddl(era=era).split("CREATE TABLE ")[1:]:
        name, _, rest = text.partition(" (\n")
        tables[name] = {word.split()[0]: "" for word in rest.partition("\n);")[0].replace("\n", " ").split(", ")}
    return tables


def test_the_file_has_what_is_set_and_says_what_does_not_answer(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_URL", NOWHERE)
    file = tmp_path / "folder" / "own.toml"
    assert run(["init", "--output", str(file), "--operator", "maria"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{file} is written. Nothing answered; prometheus fails: ") and err == ""
    assert "missing: postgres (set postgres.url or DATABASE_URL), redis" in out and out.count("\n") == 1
    chosen = settings.load(str(file), environ={}).settings
    assert (chosen.operator, chosen.prometheus.url, chosen.postgres.url) == ("maria", NOWHERE, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["own.toml"]


def test_the_file_holds_no_secret_and_says_which_variable_does(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CRON_SECRET", "hush1")
    monkeypatch.setenv("API_URL", "http://user:hush2@127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "host=127.0.0.1 port=1 password=hush3 user=u dbname=d")
    assert run(["init", "--redis-url", "redis://:hush4@127.0.0.1:1"]) == 0
    text = paths.config_file().read_text()
    assert "hush" not in text + "".join(capsys.readouterr())
    for variable in ("CRON_SECRET", "API_URL", "DATABASE_URL"):
        assert f"# Set in the environment by {variable}. It may hold a secret" in text
    assert "# Set by a flag. It may hold a secret" in text
    assert settings.load(environ={}).settings == settings.Settings()


@pytest.mark.parametrize("words", [["init"], ["init", "--output"]])
def test_a_file_that_is_there_is_overwritten_by_force_only(tmp_path, capsys, words):
    file = tmp_path / "own.toml" if words[1:] else paths.config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("this is not TOML")
    words = [*words, *([str(file)] if words[1:] else [])]
    assert run(words) == 1
    assert f"{file} is there already: --force overwrites it" in capsys.readouterr().err
    assert file.read_text() == "this is not TOML"
    assert run([*words, "--force"]) == 0
    assert settings.load(str(file), environ={}).settings == settings.Settings()


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text("theirs")
    with pytest.raises(init.NexConsoleError, match="can't be written"):
        init._write(file, "ours", force=False)
    assert file.read_text() == "theirs" and list(tmp_path.iterdir()) == [file]


def test_a_dash_prints_the_file_and_writes_none(tmp_path, capsys):
    assert run(["init", "--output", "-"]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("# Settings of NexConsole.") and "# Made by `nexconsole init`" in out
    assert not paths.config_file().exists()


@pytest.mark.parametrize(("era", "word"), [("old", "oldest"), ("head", "newest")])
def test_the_era_is_told_by_the_columns(era, word):
    assert init.era_of(columns(era)) == word
    assert init.era_of({}) == ""


@pytest.mark.parametrize(
    ("era", "key", "value"),
    [("oldest", "circuits.cooldown_s", 15.0), ("newest", "reservations.stuck_after_s", 600)],
)
def test_what_an_era_differs_in_is_set(tmp_path, era, key, value):
    file = tmp_path / "own.toml"
    file.write_text(init.file_text(settings.load(environ={}), [], era))
    loaded = settings.load(str(file), environ={})
    assert [row[1] for row in loaded.rows() if row[0] == key] == [value]
    assert set(loaded.origins) == set(init.OF_ERA[era])


def test_a_system_is_as_bad_as_its_worst_check_and_its_words_stay_a_comment(tmp_path):
    checks = [
        Check(area="postgres", what="connection", state="ok", said="db answers"),
        Check(area="postgres", what="providers", state="fail", said="may not be read\nenvironment = 5\x1b[2J"),
        Check(area="redis", what="connection", state="ok", said="cache answers"),
        Check(area="redis", what="a right", state="warn", said="no INFO"),
        Check(area="search", what="settings", state="absent", said="-", advice="set search.url"),
    ]
    connections = init.connections_of(checks)
    assert [(each.area, each.state) for each in connections] == [
        ("postgres", "fails"),
        ("redis", "answers"),
        ("search", "missing"),
    ]
    file = tmp_path / "own.toml"
    file.write_text(init.file_text(settings.load(environ={}), connections, ""))
    assert settings.load(str(file), environ={}).settings == settings.Settings()
    sentence = init.summary(connections, "newest")
    assert sentence.startswith("redis answered (the newest NexNum); postgres fails: providers: may not be read")
    assert sentence.endswith("missing: search (set search.url); `nexconsole doctor` says more.")


def test_where_everything_answers_the_console_is_next():
    connections = [init.Connection("postgres", "answers", "db answers")]
    assert init.summary(connections, "") == "postgres answered; `nexconsole` opens the console."
