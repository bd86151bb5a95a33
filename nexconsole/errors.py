"""The expected failures, as a class tree. Any other exception is a bug, and may crash."""

from __future__ import annotations

import errno
import os
import re

_NUMBERED = re.compile(r"\[Errno (\d+)\]")
_OWN_NUMBERS = frozenset({"SSLError", "gaierror", "herror"})  # whose numbers are not the system's


class NexConsoleError(Exception):
    """An expected failure. Its text is one sentence for a person: what failed, where, what to do."""


class SettingsError(NexConsoleError):
    """The settings can't be used; the text names the file (or variable) and the key. Exit code 2."""


class DrillError(NexConsoleError):
    """The drill's world could not be staged."""


class SourceError(NexConsoleError):
    """A read failed. `source` is the source's name; `kind` is one of the subclasses' words."""

    kind = "failed"

    def __init__(self, source: str, sentence: str) -> None:
        super().__init__(sentence)
        self.source = source


class NotConfigured(SourceError):
    """The settings name no address for this source. Its panes say so; everything else works."""

    kind = "not configured"


class Unreachable(SourceError):
    """No connection: refused, no such host, TLS, or dropped in the middle of an answer."""

    kind = "unreachable"


class TimedOut(SourceError):
    """No answer in time."""

    kind = "timed out"


class Denied(SourceError):
    """The source answered, and refused these credentials or this role."""

    kind = "denied"


class Missing(SourceError):
    """The source answered that there is no object of that name."""

    kind = "missing"


class AdmissionRefused(SourceError):
    """The source refuses this request by policy, quota or freeze, not for lack of permission."""

    kind = "refused"


class Busy(SourceError):
    """The source asks to wait `wait_s` seconds before the next request; 0 for no given time."""

    kind = "busy"

    def __init__(self, source: str, sentence: str, wait_s: float = 0.0) -> None:
        super().__init__(source, sentence)
        self.wait_s = wait_s


class BadAnswer(SourceError):
    """The source gave an invalid answer: garbage, HTML, a redirect."""

    kind = "bad answer"


class NoRoute(BadAnswer):
    """The server has no such route: another version, or an address without its prefix."""


class MissingSchema(SourceError):
    """A table or column that a signal needs is not there; the text says which."""

    kind = "wrong schema"


class ActionError(NexConsoleError):
    """An action can't be prepared: no such target, nothing to do, an invalid argument."""


class JournalError(NexConsoleError):
    """An entry could not be written durably, or a journal could not be read."""


class FileError(NexConsoleError):
    """A file that the console keeps for people could not be written or read."""


class TerminalError(NexConsoleError):
    """The terminal can't show the console."""


def in_words(error: BaseException) -> str:
    """Why something failed, as the end of a sentence, such as `no such file or directory`.

    The error number, the file and the address are left out: the sentence names them.
    """
    text = _system_words(error) if isinstance(error, OSError) else str(error)
    return _uncapped(text) or type(error).__name__


def system_error(error: OSError) -> OSError:
    """The same, of the class that fits: several addresses that all fail come as one error without a number."""
    numbers = _numbers(error)
    return OSError(numbers[0], os.strerror(numbers[0])) if error.errno is None and len(numbers) == 1 else error


def _system_words(error: OSError) -> str:
    if not _OWN_NUMBERS.isdisjoint(kind.__name__ for kind in type(error).__mro__):
        return error.strerror or str(error)
    numbers = [error.errno] if error.errno else _numbers(error)
    known = [_uncapped(os.strerror(number)) for number in numbers if number in errno.errorcode]
    return " and ".join(known) or error.strerror or str(error)


def _uncapped(text: str) -> str:
    """Lower-case the first letter; keep abbreviations."""
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def _numbers(error: OSError) -> list[int]:
    """The system's numbers in an error's text, each once."""
    return list(dict.fromkeys(int(number) for number in _NUMBERED.findall(str(error))))
