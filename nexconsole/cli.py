"""The command line: argv -> settings -> the console, a one-shot, or a drill."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from . import diagnostics, settings
from .errors import NexConsoleError, SettingsError

USAGE = 2


def run(arguments: Sequence[str], splash: bool = False) -> int:
    """Run one command and return its exit code. `splash`: the alternate screen is already on."""
    try:
        options = _parser().parse_args(_with_command(arguments))
        return COMMANDS[options.command](options)
    except NexConsoleError as error:
        _leave_splash(splash)
        print(f"nexconsole: {error}", file=sys.stderr)
        return USAGE if isinstance(error, SettingsError) else 1
    except BrokenPipeError:  # `nexconsole settings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        _leave_splash(splash)
        return 128 + signal.SIGINT
    except SystemExit:  # argparse: --help, or a usage error already explained
        _leave_splash(splash)
        raise


def _leave_splash(splash: bool) -> None:
    if splash:
        os.write(1, b"\x1b[?1049l")


def _with_command(arguments: Sequence[str]) -> list[str]:
    """`nexconsole` alone, or with flags only, opens the console."""
    asked = {"-h", "--help", "--version"}
    if arguments and (arguments[0] in COMMANDS or arguments[0] in asked or not arguments[0].startswith("-")):
        return list(arguments)  # argparse itself explains a word that is no command
    return ["console", *arguments]


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    flags = argparse.ArgumentParser(add_help=False)
    group = flags.add_argument_group("settings")
    group.add_argument("--config", metavar="FILE", help="settings file (else NEXCONSOLE_CONFIG, else the XDG place)")
    for flag, key, meaning in FLAGS:
        group.add_argument(flag, dest=key, metavar=flag.strip("-").upper(), help=meaning)
    parser = argparse.ArgumentParser(prog="nexconsole", description="The war-room console for NexNum.")
    parser.add_argument("--version", action="version", version=version("nexconsole"))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="without a command: open the console")
    commands.add_parser("console", parents=[flags], help="open the console on the systems that the settings name")
    drill = commands.add_parser("drill", parents=[flags], help="rehearse an incident on a world of our own")
    drill.add_argument("scenario", nargs="?", default="provider-outage", help="which incident (see --list)")
    drill.add_argument("--list", action="store_true", help="list the scenarios")
    drill.add_argument("--world", action="store_true", help="stage the world without a console, until stopped")
    drill.add_argument("--env-file", metavar="FILE", help="write the world's addresses there as environment lines")
    drill.add_argument("--seed", type=int, default=None, help="the same seed gives the same incident")
    drill.add_argument(
        "--prometheus", choices=("ours", "real"), default="ours", help="real: the prometheus on PATH scrapes the market"
    )
    for name, meaning in (
        ("status", "print every signal once and exit as a monitoring plugin does"),
        ("doctor", "try every connection and permission, and say what to do about what fails"),
    ):
        commands.add_parser(name, parents=[flags], help=meaning).add_argument("--json", action="store_true")
    commands.add_parser("settings", parents=[flags], help="print the effective settings and where each came from")
    return parser


FLAGS = (
    ("--environment", "environment", "the environment's name, shown in the frame"),
    ("--operator", "operator", "who sits at this console"),
    ("--theme", "theme", "dark, light, high-contrast or colour-blind"),
    ("--motion", "motion", "auto, on or off"),
    ("--log-level", "log_level", "debug, info, warning or error"),
    ("--database-url", "postgres.url", "over DATABASE_URL"),
    ("--redis-url", "redis.url", "over REDIS_URL"),
    ("--prometheus-url", "prometheus.url", "over PROMETHEUS_URL"),
    ("--api-url", "api.url", "over API_URL"),
    ("--kubeconfig", "kubernetes.kubeconfig", "over KUBECONFIG; in-cluster for the pod's own account"),
    ("--namespace", "kubernetes.namespace", "the deployment's namespace"),
    ("--deployment", "kubernetes.deployment", "the deployment's name"),
)


def _load(options: argparse.Namespace) -> settings.Loaded:
    flags: dict[str, Any] = {key: getattr(options, key) for _, key, _ in FLAGS}
    return settings.load(options.config, flags)


def _console(options: argparse.Namespace) -> int:
    return _open_console(_load(options).settings)


def _open_console(chosen: settings.Settings, drill: str | None = None) -> int:
    from .app import NexConsole
    from .sources import open_sources

    unlogged = diagnostics.start(chosen.log_level)
    app = NexConsole(chosen, open_sources(chosen), drill=drill, warning=unlogged)
    app.run()
    return app.return_code or 0


def _drill(options: argparse.Namespace) -> int:
    from . import drill

    if options.list:
        for scenario in drill.SCENARIOS:
            print(f"{scenario.name:<20} {scenario.title}")
        return 0
    return drill.rehearse(options, _open_console)


def _status(options: argparse.Namespace) -> int:
    from . import status
    from .severity import judge
    from .signals.readings import utc_now
    from .sources import open_sources

    chosen = _load(options).settings
    diagnostics.start(chosen.log_level)

    async def take() -> dict:
        sources = open_sources(chosen)
        try:
            return await status.take(sources, chosen)
        finally:
            await sources.close()

    readings = asyncio.run(take())
    print(status.as_json(readings, chosen) if options.json else status.as_text(readings, chosen))
    return status.exit_code(readings, judge(readings, chosen, utc_now()))


def _doctor(options: argparse.Namespace) -> int:
    from . import doctor

    chosen = _load(options).settings
    diagnostics.start(chosen.log_level)
    checks = asyncio.run(doctor.examine(chosen))
    print(doctor.as_json(checks) if options.json else doctor.as_text(checks))
    return doctor.exit_code(checks)


def _settings(options: argparse.Namespace) -> int:
    rows = _load(options).lines()
    keys, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, value, origin in rows:
        print(f"{key:<{keys}}  {value:<{min(values, 60)}}  {origin}")
    return 0


COMMANDS = {
    "console": _console,
    "drill": _drill,
    "status": _status,
    "doctor": _doctor,
    "settings": _settings,
}
