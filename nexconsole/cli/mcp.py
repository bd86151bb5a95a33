"""`nexconsole mcp`: MCP for agents. They look and propose; a person confirms in a console."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import stat
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError, in_words
from .loopback import is_loopback
from .options import load, start_log
from .parsing import Parser

if TYPE_CHECKING:
    from ..settings import Settings

TOKEN = "NEXCONSOLE_MCP_TOKEN"  # the variable
TOKEN_FILE = "mcp-token"  # in the state folder
SHORTEST = 16  # characters of a token
PORT = 8765


def add_arguments(parser: Parser) -> None:
    meaning = "the agent's name in the record (else what its client calls itself)"
    parser.add_argument("--agent", metavar="NAME", default="", help=meaning)
    parser.add_argument("--http", action="store_true", help="listen on this machine, instead of the standard streams")
    parser.add_argument("--host", default="127.0.0.1", help="with --http: an address of this machine alone")
    parser.add_argument("--port", type=int, default=PORT, help=f"with --http; 0: any that is free (default {PORT})")
    meaning = f"with --http: what agents must send (else {TOKEN}, else one is made up, kept and printed)"
    parser.add_argument("--token-file", metavar="FILE", help=meaning)


def run(options: Namespace) -> int:
    """Serve until the input is closed, or with --http until a signal ends it; 0. Raises NexConsoleError."""
    settings = load(options).settings
    if unlogged := start_log(settings):
        print(f"nexconsole: {unlogged}", file=sys.stderr)
    if not options.http:
        if options.token_file is not None:
            raise SettingsError("--token-file is for --http: whoever starts a process owns its standard streams")
        asyncio.run(_serve(settings, options.agent, None))
        return 0
    host = "127.0.0.1" if options.host == "localhost" else options.host.strip("[]")
    if not is_loopback(host):
        raise SettingsError(
            f"--host {options.host}: agents are served on this machine alone, for nothing is encrypted: give 127.0.0.1"
            " or ::1, and reach it by an SSH tunnel"
        )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings, options.agent, (host, options.port, _token(options.token_file))))
    return 0


async def _serve(settings: Settings, agent: str, http: tuple[str, int, str] | None) -> None:
    from importlib.metadata import version

    from ..agent_server import transports  # with the SDK behind it
    from ..agent_server.room import agent_room
    from ..agent_server.server import make_server
    from ..agent_server.tools import AgentTools

    async with agent_room(settings) as session:
        server = make_server(AgentTools(session), agent, version("nexconsole"))
        if http is None:
            await transports.serve_stdio(server)
        else:
            await transports.serve_http(server, *http)


def _token(file: str | None) -> str:
    """What agents must send: of the file, of the variable, or a new one. Raises SettingsError."""
    if file is not None:
        return _checked(_read(Path(file).expanduser()), file)
    if (given := os.environ.get(TOKEN)) is not None:
        return _checked(given, TOKEN)
    from .. import paths

    token = secrets.token_urlsafe(32)
    place = paths.state_folder() / TOKEN_FILE
    try:
        _keep(place, token)
    except OSError as error:
        raise SettingsError(f"{place}: the token can't be kept: {in_words(error)}: set {TOKEN}") from error
    print(f"token: {token} (kept in {place})", file=sys.stderr, flush=True)
    return token


def _keep(place: Path, token: str) -> None:
    """A new file that only this account can read. Raises OSError."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.unlink(missing_ok=True)  # a link in its place is not followed
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="ascii") as opened:
        opened.write(token + "\n")


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            if os.fstat(opened.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SettingsError(f"{file}: others can read the token: chmod 600 {file}")
            return opened.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        why = in_words(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{file}: the token can't be read: {why}") from error


def _checked(given: str, where: str) -> str:
    token = given.strip()
    if len(token) < SHORTEST or not token.isascii() or any(character.isspace() for character in token):
        raise SettingsError(
            f"{where}: a token has {SHORTEST} characters or more, of ASCII and without spaces: leave it out and one is"
            " made up"
        )
    return token
