"""Signatures of entries by SSH keys: made through the operator's agent, checked against a file of allowed signers.

Both are done by `ssh-keygen -Y`. A signature stands for one entry in the journal of one name: what is signed begins
with that name. Everything here blocks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import signal
import stat
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import JournalError
from ..storage.plain_files import open_plain, reason
from ..text.sanitize import clean
from ..text.units import period

NAMESPACE = "nexconsole@journal"
PROGRAM = "ssh-keygen"
VERIFY_S = 5.0  # for one signature
MOST_SIGNERS = 1024 * 1024  # bytes of a file of allowed signers
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----\n", b"\n-----END SSH SIGNATURE-----\n"
_MAGIC = b"SSHSIG"
_OUT = 64_000  # bytes of a program's answer that are looked at


class SigningError(Exception):
    """Why something could not be signed, in one sentence."""


def payload(journal: str, part: bytes) -> bytes:
    """What is signed of an entry in the journal of this name."""
    return b"nexconsole journal entry 1\n" + journal.encode() + b"\n" + part


def run(arguments: list[str], given: bytes, timeout_s: float) -> tuple[int, bytes, bytes]:
    """A program of OpenSSH, without a terminal to ask on, ended when it takes too long: (exit code, output, errors).
    Raises OSError, and TimeoutExpired when it did."""
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "SSH_ASKPASS")}
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | {"SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"},
        cwd="/",
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(given, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, output[:_OUT], errors[:_OUT]


def _words(errors: bytes) -> str:
    """The program's last words, for people."""
    lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
    return clean(lines[-1], 200) if lines else "it does not say why"


# --- signing --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AgentKey:
    """A key that the agent holds: its line as in a public key file, and its fingerprint."""

    line: str
    fingerprint: str

    @property
    def hardware(self) -> bool:
        """Whether it is on a token, which wants to be touched."""
        return self.line.startswith("sk-")


def agent_keys(timeout_s: float) -> tuple[AgentKey, ...]:
    """The keys that the operator's agent offers. Raises SigningError."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        raise SigningError("there is no SSH agent (SSH_AUTH_SOCK is not set): ssh -A, or eval $(ssh-agent); ssh-add")
    try:
        code, output, errors = run(["ssh-add", "-L"], b"", timeout_s)
    except FileNotFoundError:
        raise SigningError("ssh-add is not installed: install the OpenSSH client") from None
    except subprocess.TimeoutExpired:
        raise SigningError(f"the SSH agent has not answered within {period(timeout_s)}") from None
    except OSError as error:
        raise SigningError(f"ssh-add can't be run: {reason(error)}") from error
    if code != 0:
        raise SigningError(f"the SSH agent has no key: {_words(errors or output)}")
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    keys = [AgentKey(line, found) for line in lines if (found := fingerprint_of(line))]
    if not keys:
        raise SigningError("the SSH agent has no key: ssh-add")
    return tuple(keys)


def fingerprint_of(line: str) -> str:
    """SHA256:... of a public key's line; "" where it is none."""
    words = line.split()
    try:
        return fingerprint(base64.b64decode(words[1], validate=True)) if len(words) > 1 else ""
    except (ValueError, binascii.Error):
        return ""


def fingerprint(blob: bytes) -> str:
    """SHA256:... as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def chosen_key(named: str, timeout_s: float) -> AgentKey:
    """The agent's key that the settings name, by its public key's file or its fingerprint; "" is its first. Raises
    SigningError."""
    keys = agent_keys(timeout_s)
    if not named:
        return keys[0]
    wanted = named
    if not named.startswith("SHA256:"):
        file = Path(named).expanduser()
        try:
            with open(open_plain(file, os.O_RDONLY), "rb") as opened:
                wanted = fingerprint_of(opened.read(20_000).decode(errors="replace"))
        except (OSError, JournalError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            raise SigningError(f"identity.key: {file}: can't be read: {why}") from error
        if not wanted:
            raise SigningError(f"identity.key: {file}: is no public key (such as ~/.ssh/id_ed25519.pub)")
    key = next((key for key in keys if key.fingerprint == wanted), None)
    if key is None:
        raise SigningError(f"identity.key: the SSH agent does not hold {wanted}: ssh-add it")
    return key


def sign(message: bytes, key: AgentKey, timeout_s: float) -> str:
    """A signature by the agent's key, as base64 in one line. Raises SigningError."""
    try:
        with tempfile.TemporaryDirectory(prefix="nexconsole-") as folder:
            public = Path(folder, "key.pub")
            public.write_text(f"{key.line}\n")
            arguments = [PROGRAM, "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(public)]
            code, output, errors = run(arguments, message, timeout_s)
    except FileNotFoundError:
        raise SigningError(f"{PROGRAM} is not installed: install the OpenSSH client") from None
    except subprocess.TimeoutExpired:
        raise SigningError(f"the key has not signed within {period(timeout_s)} (must it be touched?)") from None
    except OSError as error:
        raise SigningError(f"{PROGRAM} can't be run: {reason(error)}") from error
    if code != 0 or not output.startswith(_BEGIN):
        raise SigningError(f"the SSH agent has not signed: {_words(errors)}")
    return b"".join(output[len(_BEGIN) :].partition(_END.strip())[0].split()).decode()


# --- checking -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClaimedKey:
    """The key in a signature, which is not checked yet."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)


def claimed_key(sig: str) -> ClaimedKey | None:
    """The key that a signature (base64) says that it is by; None for what is no signature of an entry."""
    try:
        blob = base64.b64decode(sig, validate=True)
        if blob[:6] != _MAGIC or struct.unpack(">I", blob[6:10])[0] != 1:
            return None
        key, rest = _string(blob[10:])
        namespace, _ = _string(rest)
        kind, _ = _string(key)
        return ClaimedKey(kind.decode(), key) if namespace == NAMESPACE.encode() else None
    except (ValueError, binascii.Error, struct.error):
        return None


def _string(blob: bytes) -> tuple[bytes, bytes]:
    """RFC 4251's string, and what comes after it. Raises ValueError."""
    (length,) = struct.unpack(">I", blob[:4])
    if len(blob) < 4 + length:
        raise ValueError("cut off")
    return blob[4 : 4 + length], blob[4 + length :]


@dataclass(frozen=True)
class AllowedSigners:
    """Who may sign with which key: the lines of an allowed_signers file (ssh-keygen(1)) that are usable."""

    lines: tuple[tuple[str, str], ...]  # (principals, the whole line)

    def lines_for(self, key: ClaimedKey) -> tuple[tuple[str, str], ...]:
        """The lines that have this key, or an authority that may have certified it."""
        text = base64.b64encode(key.blob).decode()
        if "-cert-v" in key.kind:
            return tuple(line for line in self.lines if "cert-authority" in line[1])
        return tuple(line for line in self.lines if text in line[1].split())


def read_signers(file: Path) -> AllowedSigners:
    """The allowed signers in this file. Raises JournalError where it can't be read, or others may write it."""
    try:
        with open(open_plain(file, os.O_RDONLY), "rb") as opened:
            found = os.fstat(opened.fileno())
            text = opened.read(MOST_SIGNERS + 1)
        above = file.parent.stat()
    except OSError as error:
        raise JournalError(f"{file}: the allowed signers can't be read: {reason(error)}") from error
    if found.st_uid not in (0, os.geteuid()):
        raise JournalError(f"{file}: belongs to another account: whoever may write it could add a key of his own")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise JournalError(f"{file}: others may write it, and could add a key of their own: chmod go-w {file}")
    if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        raise JournalError(f"{file}: everybody may replace it: chmod o-w {file.parent}")
    if len(text) > MOST_SIGNERS:
        raise JournalError(f"{file}: has more than {MOST_SIGNERS >> 20} MiB, which is no file of allowed signers")
    lines = [line.strip() for line in text.decode(errors="replace").splitlines()]
    return AllowedSigners(tuple((_principals(line), line) for line in lines if line and not line.startswith("#")))


def _principals(line: str) -> str:
    if line.startswith('"'):
        return line[1:].partition('"')[0]
    return line.split(maxsplit=1)[0]


def matches(principals: str, name: str) -> bool:
    """Whether a line's principals (patterns by comma, `!` for not) are for this name."""
    patterns = [pattern.strip() for pattern in principals.split(",")]
    if any(pattern.startswith("!") and _fits(pattern[1:], name) for pattern in patterns):
        return False
    return any(_fits(pattern, name) for pattern in patterns if not pattern.startswith("!"))


def _fits(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def verify_signature(message: bytes, sig: str, line: str, principal: str, at: datetime) -> str:
    """Why this signature is not that principal's by this line of allowed signers, at this time; "" where it is.
    Raises OSError where it can't be tried."""
    with tempfile.TemporaryDirectory(prefix="nexconsole-") as folder:
        signers, signature = Path(folder, "signers"), Path(folder, "sig")
        signers.write_text(f"{line}\n")
        signature.write_bytes(_BEGIN + b"\n".join(_folded(sig.encode())) + _END)
        when = f"{at.astimezone(UTC):%Y%m%d%H%M%SZ}"
        arguments = [
            PROGRAM,
            "-Y",
            "verify",
            "-f",
            str(signers),
            "-I",
            principal,
            "-n",
            NAMESPACE,
            "-s",
            str(signature),
        ]
        try:
            code, output, errors = run([*arguments, "-O", f"verify-time={when}"], message, VERIFY_S)
        except subprocess.TimeoutExpired:
            return f"{PROGRAM} has not answered within {period(VERIFY_S)}"
    return "" if code == 0 else _refusal(errors + output)


def _refusal(errors: bytes) -> str:
    if b"expired" in errors:
        return "the key had expired"
    if b"not yet valid" in errors:
        return "the key was not valid yet"
    if b"incorrect signature" in errors or b"Signature verification failed" in errors:
        return "the signature is for something else"
    return f"the signature is refused: {_words(errors)}"


def _folded(text: bytes) -> list[bytes]:
    return [text[start : start + 70] for start in range(0, len(text), 70)]
