"""The command line: argv -> settings -> the console, a one-shot, or a drill."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from . import diagnostics, printing, settings, terminal
from .errors import NexConsoleError, SettingsError, TerminalError

USAGE = 2


def run(arguments: Sequence[str], splash: bool = False) -> int:
    """Run one command and return its exit code. `splash`: the alternate screen is already on."""
    diagnostics.hide_secrets_of_crashes()
    printing.begin()
    try:
        arguments = _with_command([_as_utf8(argument) for argument in arguments])
        options = _parse(arguments)
        if getattr(options, "json", False) or getattr(options, "format", "text") not in ("text", "md"):
            printing.as_utf8()
        code = COMMANDS[options.command](options)
        splash = False  # the console took it over, and left it
        return code
    except NexConsoleError as error:
        _leave_splash(splash)
        splash = False
        print(f"nexconsole: {error}", file=sys.stderr)
        return USAGE if isinstance(error, SettingsError | TerminalError) else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:  # also for a bug, or argparse's exit
        _leave_splash(splash)
        printing.end()


def _diagnose(chosen: settings.Settings) -> str | None:
    """Begin the program's log, in which no secret of the settings stands."""

    def secrets() -> tuple[str, ...]:
        from .journal.scrubbing import secrets_of  # nothing that the first paint has to wait for

        return secrets_of(chosen)

    return diagnostics.start(chosen.log_level, secrets)


def _as_utf8(argument: str) -> str:
    """Bytes that the locale can't read, as of a name in a C locale, are UTF-8, or stay what they are."""
    return os.fsencode(argument).decode("utf-8", "surrogateescape") if not _is_text(argument) else argument


def _is_text(argument: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in argument)


def _leave_splash(splash: bool) -> None:
    if splash:
        os.write(1, b"\x1b[?1049l")


def _with_command(arguments: Sequence[str]) -> list[str]:
    """`nexconsole` alone, or with flags only, opens the console."""
    asked = {"-h", "--help", "--version"}
    if arguments and (arguments[0] in COMMANDS or arguments[0] in asked or not arguments[0].startswith("-")):
        return list(arguments)  # argparse itself explains a word that is no command
    return ["console", *arguments]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Only the parser that is needed is made, and only what it needs is imported."""
    if arguments[0] == "console":
        return _console_parser().parse_args(arguments)
    if arguments[0] == "status":
        from . import status_command

        return status_command.parser(_flags()).parse_args(arguments)
    if arguments[0] == "drill" and len(arguments) > 1:
        from .drill import command

        if arguments[1] in command.VERBS:
            return command.parser().parse_args(arguments[1:])
    return _parser().parse_args(arguments)


class ConsoleParser(argparse.ArgumentParser):
    """Raises what argparse would print, which nobody would see while the splash stands."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}: `nexconsole --help` lists what there is")


class Version(argparse.Action):
    """Looks the version up only when it is asked for: that reads the installed package's metadata."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(version("nexconsole"))
        parser.exit()


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(add_help=False)
    group = flags.add_argument_group("settings")
    group.add_argument("--config", metavar="FILE", help="settings file (else NEXCONSOLE_CONFIG, else the XDG place)")
    for flag, key, meaning in FLAGS:
        group.add_argument(flag, dest=key, metavar=flag.strip("-").upper(), help=meaning)
    group.add_argument(
        "--observe", dest="actions.observe", action="store_const", const=True, help="this console can't act at all"
    )
    return flags


def _console_parser() -> argparse.ArgumentParser:
    """The console's own flags alone: what the other commands need is not imported on its way."""
    parser = ConsoleParser(prog="nexconsole", parents=[_flags()])
    parser.add_argument("command")
    _add_view(parser)
    return parser


def _add_view(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--present", action="store_true", help="as a shared screen: large, customer data masked")
    parser.add_argument(
        "--watch", dest="journal.read_only", action="store_const", const=True,
        help="only to be looked at: nothing can be done here, nothing is written",
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    from . import oneshot, records, rehearsal
    from .runbook import command as runbook
    from .warroom import command as warroom

    flags = _flags()
    parser = argparse.ArgumentParser(prog="nexconsole", description="The war-room console for NexNum.")
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="without a command: open the console")
    _add_view(
        commands.add_parser("console", parents=[flags], help="open the console on the systems that the settings name")
    )
    _add_view(rehearsal.add_parser(commands, [flags]))
    for name, meaning in (
        ("status", "print every signal once and exit as a monitoring plugin does"),  # parsed by its own parser
        ("doctor", "try every connection and permission, and say what to do about what fails"),
    ):
        commands.add_parser(name, parents=[flags], help=meaning).add_argument("--json", action="store_true")
    commands.add_parser("settings", parents=[flags], help="print the effective settings and where each came from")
    oneshot.add_parser(commands, [flags])
    records.add_parser(commands, [flags])
    warroom.add_parser(commands, [flags])
    _add_replay(commands, flags)
    runbook.add_parsers(commands, flags)
    _add_serve(commands, flags)
    return parser


def _add_serve(commands: Any, flags: argparse.ArgumentParser) -> None:
    serve = commands.add_parser("serve", parents=[flags], help="the shared screen in a browser, only to be looked at")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen; 127.0.0.1 is for this machine alone")
    serve.add_argument("--port", type=int, default=8000, help="0: any that is free (default 8000)")
    serve.add_argument(
        "--token", help="what watchers must know (else NEXCONSOLE_SERVE_TOKEN, else one is made up and printed)"
    )


def _add_replay(commands: Any, flags: argparse.ArgumentParser) -> None:
    replay = commands.add_parser("replay", parents=[flags], help="play a recorded incident in the same panes")
    replay.add_argument("incident", nargs="?", metavar="INC", help="its id or recording; none: list what was recorded")
    replay.add_argument("--speed", type=float, default=1.0, metavar="N", help="0.5 to 64 times as fast (default 1)")
    replay.add_argument(
        "--at", metavar="TIME", help="begin there: 14:07, a date and time, or +MM:SS from its beginning"
    )


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
    ("--kubeconfig", "kubernetes.kubeconfig", "over KUBECONFIG; in-cluster: the pod's own account, none: no cluster"),
    ("--context", "kubernetes.context", "the kubeconfig's context; without it its current one"),
    ("--namespace", "kubernetes.namespace", "the deployment's namespace; without it the context's"),
    ("--deployment", "kubernetes.deployment", "the deployment's name"),
)


def _load(options: argparse.Namespace) -> settings.Loaded:
    return settings.load(options.config, _given(options))


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """What the flags say, by settings key; None where they say nothing."""
    given = {key: getattr(options, key) for key in (*(key for _, key, _ in FLAGS), "actions.observe")}
    given["journal.read_only"] = watching = getattr(options, "journal.read_only", None)
    return given | {"actions.observe": given["actions.observe"] or watching}


def _console(options: argparse.Namespace) -> int:
    return _open_console(_load(options).settings, options.present)


def _need_terminal() -> None:
    """Raises TerminalError where the console can't be shown; nothing has been drawn by then."""
    if os.environ.get("TEXTUAL_DRIVER"):  # `serve` has a browser for it
        return
    if refused := terminal.why_not():
        raise TerminalError(refused)
    if not os.isatty(2):
        os.dup2(1, 2)  # Textual draws on the standard error


def _open_console(chosen: settings.Settings, present: bool = False) -> int:
    _need_terminal()
    from .app import NexConsole

    unlogged = _diagnose(chosen)
    drill = chosen.name if chosen.environment == "drill" else None
    chosen = settings.named(settings.powerless(chosen) if chosen.journal.read_only else chosen)
    app = NexConsole(chosen, opener=_open_sources, drill=drill, warning=unlogged, present=present)
    app.run()
    if app.refused is not None:
        raise app.refused
    return app.return_code or 0


def _open_sources(chosen: settings.Settings) -> Any:
    """Imported only when the first frame stands."""
    from .sources import open_sources

    return open_sources(chosen)


def _drill(options: argparse.Namespace) -> int:
    from . import drill, rehearsal

    if options.scenario in drill.SCENARIOS and not (options.list or options.world):
        _need_terminal()  # before a world is staged in vain

    def settings_on(world: Mapping[str, str]) -> settings.Settings:
        return settings.load(None, _given(options), world).settings

    return rehearsal.run(options, settings_on, lambda chosen: _open_console(chosen, options.present))


def _instruct(options: argparse.Namespace) -> int:
    from .drill import command

    return command.run(options)


def _status(options: argparse.Namespace) -> int:
    from . import status_command

    def load() -> settings.Settings:
        chosen = _load(options).settings
        _diagnose(chosen)
        return chosen

    return status_command.run(options, load)


def _doctor(options: argparse.Namespace) -> int:
    from . import doctor
    from .warroom.sharing import examination

    chosen = _load(options).settings
    _diagnose(chosen)

    async def examine() -> tuple[doctor.Check, ...]:
        return await doctor.examine(chosen) + await examination.examine(chosen)

    checks = asyncio.run(examine())
    print(doctor.as_json(checks) if options.json else doctor.as_text(checks))
    return doctor.exit_code(checks)


def _run(options: argparse.Namespace) -> int:
    from . import oneshot

    chosen = settings.named(_load(options).settings)
    _diagnose(chosen)
    return oneshot.run(options, chosen)


def _journal(options: argparse.Namespace) -> int:
    from . import records

    return records.run(options, _load(options).settings)


def _export(options: argparse.Namespace) -> int:
    from .warroom import command

    return command.run(options, _load(options).settings)


def _replay(options: argparse.Namespace) -> int:
    from .journal import journal_folder
    from .warroom.recordings import player, replay

    chosen = settings.named(_load(options).settings)
    if options.incident is None:
        print("\n".join(replay.listed(chosen)) or f"nothing was recorded in {journal_folder(chosen)}")
        return 0
    if not player.SLOWEST <= options.speed <= player.FASTEST:
        raise SettingsError(f"--speed {options.speed:g}: give {player.SLOWEST:g} to {player.FASTEST:g}")
    of = replay.open_replay(options.incident, chosen)
    begin = player.moment_of(options.at, of.begin) if options.at else None
    _need_terminal()
    from .replaying import ReplayApp

    marks = [entry.at for entry in of.events]
    app = ReplayApp(chosen, of, player.Player(of.begin, of.end, marks, speed=options.speed, at=begin))
    app.run()
    return app.return_code or 0


def _sheet(options: argparse.Namespace) -> int:
    from .warroom import command

    return command.run_sheet(_load(options).settings)


def _serve(options: argparse.Namespace) -> int:
    from . import serving

    _load(options)  # what is wrong with the settings is said here, not in a browser
    diagnostics.start("info")
    return serving.run(options, _given(options))


def _runbook(options: argparse.Namespace) -> int:
    from .actions.auditing import auditor
    from .runbook import command

    chosen = settings.named(_load(options).settings)
    _diagnose(chosen)
    return command.run(options, chosen, auditor)


def _settings(options: argparse.Namespace) -> int:
    rows = _load(options).lines()
    keys, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, value, origin in rows:
        print(f"{key:<{keys}}  {value:<{min(values, 60)}}  {origin}")
    return 0


COMMANDS = {
    "console": _console,
    "drill": _drill,
    "instruct": _instruct,
    "status": _status,
    "doctor": _doctor,
    "settings": _settings,
    "run": _run,
    "journal": _journal,
    "export": _export,
    "replay": _replay,
    "sheet": _sheet,
    "runbook": _runbook,
    "serve": _serve,
}
