"""The tree of failures that are expected; anything else is a bug and may crash, loudly."""


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
    """The settings name no address for this source: its panes say so, and the rest works."""

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
    """The source knows the account and its rights, and says no to this request: a policy, a quota, a freeze."""

    kind = "refused"


class Busy(SourceError):
    """The source asks to be left alone for `wait_s` seconds; 0 where it does not say how long."""

    kind = "busy"

    def __init__(self, source: str, sentence: str, wait_s: float = 0.0) -> None:
        super().__init__(source, sentence)
        self.wait_s = wait_s


class BadAnswer(SourceError):
    """The source answered something that is not what it should be: garbage, HTML, a redirect."""

    kind = "bad answer"


class NoRoute(BadAnswer):
    """The far side has no such route: it is another version, or the address lacks a prefix."""


class MissingSchema(SourceError):
    """A table or column that a signal needs is not there; the text says which."""

    kind = "wrong schema"


class ActionError(NexConsoleError):
    """An action can't be prepared: no such target, nothing to do, an argument that makes no sense."""


class JournalError(NexConsoleError):
    """An entry could not be written durably, or a journal could not be read."""


class FileError(NexConsoleError):
    """A file that the console keeps for people could not be written or read."""


class TerminalError(NexConsoleError):
    """The terminal can't show the console."""
