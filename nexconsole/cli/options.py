"""The global flags, accepted before and after every command.

This module imports nothing slow: the first frame waits for it when a flag is given.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

TYPE_CHECKING = False  # typing takes milliseconds
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..settings import Loaded, Settings

CONFIG = "--config"
PROFILE = "--profile"
OBSERVE = "--observe"
HELP = ("-h", "--help")
LIBPQ_PLACES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE")  # where a database is, as libpq is told
VERSION = ("-V", "--version")
FLAGS = (  # flag, settings key, meaning ({themes}: their names); each takes one value
    ("--environment", "environment", "the environment's name, shown in the frame"),
    ("--operator", "operator", "the operator of this console"),
    ("--theme", "theme", "{themes}"),
    ("--motion", "motion", "auto, on or off"),
    ("--glyphs", "glyphs", "auto, full, console or ascii: what the terminal's font can draw"),
    ("--log-level", "log_level", "debug, info, warning or error"),
    ("--database-url", "postgres.url", "over DATABASE_URL"),
    ("--redis-url", "redis.url", "over REDIS_URL"),
    ("--prometheus-url", "prometheus.url", "over PROMETHEUS_URL"),
    ("--api-url", "api.url", "over API_URL"),
    ("--kubeconfig", "kubernetes.kubeconfig", "over KUBECONFIG; in-cluster: the pod's own account, none: no cluster"),
    ("--context", "kubernetes.context", "the kubeconfig's context; without it its current one"),
    ("--namespace", "kubernetes.namespace", "the deployment's namespace; without it the context's"),
    ("--deployment", "kubernetes.deployment", "the deployment's name"),
    (
        "--docker-host",
        "docker.host",
        "over DOCKER_HOST: unix://, tcp:// or ssh://; NexNum runs in Docker Compose there",
    ),
)
WITH_VALUE = frozenset((CONFIG, PROFILE, *(flag for flag, _, _ in FLAGS)))
SWITCHES = frozenset((OBSERVE, *HELP, *VERSION))


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The global flags at the beginning, and the rest, which begins with the command's word if there is one."""
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word in WITH_VALUE:
            at += 2
        elif word in SWITCHES or word.partition("=")[0] in WITH_VALUE:
            at += 1
        else:
            break
    return list(arguments[:at]), list(arguments[at:])


def opens_console(arguments: Sequence[str]) -> bool:
    """Whether the console opens: no command's word, or its own, and nobody asks for help or the version."""
    if {*HELP, *VERSION}.intersection(arguments):
        return False
    _, rest = split(arguments)
    return not rest or rest[0] == "console" or rest[0].startswith("-")


def with_profile(arguments: Sequence[str], name: str) -> list[str]:
    """The same words with this profile, in the place of any other."""
    words, rest = [PROFILE, name], list(arguments)
    while rest:
        word = rest.pop(0)
        if word == PROFILE:
            del rest[:1]
        elif not word.startswith(f"{PROFILE}="):
            words.append(word)
    return words


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What the flags say, by settings key; None where they say nothing."""
    values = {key: getattr(options, key, None) for _, key, _ in FLAGS}
    values["journal.read_only"] = watching = getattr(options, "journal.read_only", None)
    return values | {"actions.observe": getattr(options, "actions.observe", None) or watching}


def load(options: argparse.Namespace, environ: Mapping[str, str] | None = None, *, strangers: bool = False) -> Loaded:
    """The settings with the flags over them, whose secrets no report of a crash shows. Raises SettingsError, also where
    this account may not look (`[roles]`), unless `strangers` may: nothing of NexNum is shown then.

    `environ` stands for the whole environment, which then names the settings file: --config does not count.
    """
    from .. import settings

    config = getattr(options, "config", None) if environ is None else None
    loaded = settings.load(config, given(options), environ, getattr(options, "profile", None))
    hide_secrets(loaded.settings)
    if loaded.settings.roles.given and not strangers:
        from ..session.capabilities import refuse_strangers

        refuse_strangers(loaded.settings)
    if loaded.settings.profile and environ is None:
        _leave_out_of_addresses()
    for note in loaded.notes:
        print(f"nexconsole: {note}", file=sys.stderr)
    return loaded


def profile_names(options: argparse.Namespace) -> tuple[str, ...]:
    """The profiles of the settings file, in its order; () for none. Runs no command. Raises SettingsError."""
    from ..settings import profiles, settings_file

    file, document = settings_file.read(getattr(options, "config", None) or os.environ.get("NEXCONSOLE_CONFIG"))
    return tuple(profiles.taken_out(document, file)) if file is not None else ()


def load_profile(options: argparse.Namespace, name: str) -> Settings:
    """One profile's settings, which may run its commands. Raises SettingsError, also for a flag for an address."""
    from .. import settings

    _leave_out_of_addresses()
    loaded = settings.load(getattr(options, "config", None), given(options), None, name)
    hide_secrets(loaded.settings)
    if loaded.settings.roles.given:
        from ..session.capabilities import refuse_strangers

        refuse_strangers(loaded.settings)
    return loaded.settings


def _leave_out_of_addresses() -> None:
    """With a profile, what libpq's variables would put into an address may be of another NexNum."""
    for variable in LIBPQ_PLACES:
        os.environ.pop(variable, None)


def load_for_screens(options: argparse.Namespace, *, strangers: bool = False) -> Loaded:
    """The same for a command that shows screens: the keys that the settings change are checked too."""
    loaded = load(options, strangers=strangers)
    if loaded.settings.keys:
        from ..screens.key_check import check

        check(loaded.settings.keys, loaded.origins["keys"])
    return loaded


def start_log(chosen: Settings) -> str | None:
    """Begin the program's log; a sentence if that can't be done."""
    from .. import logging_setup

    return logging_setup.start(chosen.log_level, _secrets(chosen))


def hide_secrets(chosen: Settings) -> None:
    """From now on no report of a crash shows a secret of these settings."""
    from .. import logging_setup

    logging_setup.hide_in_crashes(_secrets(chosen))


def _secrets(chosen: Settings) -> Callable[[], tuple[str, ...]]:
    """Reads the settings' secrets when first needed, so that the first paint doesn't wait for them."""

    def secrets() -> tuple[str, ...]:
        from ..journal.redaction import secrets_of

        return secrets_of(chosen)

    return secrets
