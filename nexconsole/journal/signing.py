"""Signs what a person does here, as the settings have it."""

from __future__ import annotations

import logging
import threading
import time

from ..errors import JournalError
from ..settings import Settings
from .entries import EntryKind
from .proofs import BY_ITSELF
from .signatures import AgentKey, SigningError, chosen_key, payload, sign

log = logging.getLogger(__name__)

AGAIN_S = 15.0  # after a signature that was not had, entries that need none are written without one for so long


class Signer:
    """Signs through the operator's SSH agent. `demanded`: an entry that can't be signed is refused.

    `trouble` says why the last one is not signed. Threads may share it.
    """

    def __init__(self, key: str, timeout_s: float, demanded: bool) -> None:
        self.timeout_s = timeout_s
        self.trouble = ""
        self._named, self._demanded = key, demanded
        self._key: AgentKey | None = None
        self._resting_until = 0.0
        self._turn = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> Signer | None:
        """None where the settings have nothing signed."""
        chosen = settings.identity
        demanded = chosen.sign == "always" or chosen.require_signatures
        if chosen.sign == "never" or not (demanded or chosen.key or chosen.allowed_signers):
            return None
        return cls(chosen.key, chosen.sign_timeout_s, demanded)

    def signs(self, kind: str) -> bool:
        """Whether entries of this kind are signed: what a console records by itself is covered by the next that is,
        and a token is not touched for a head."""
        if kind == EntryKind.HEAD and self._key is not None and self._key.hardware:
            return False
        return kind not in BY_ITSELF

    def sign(self, journal: str, part: bytes) -> str:
        """The signature of an entry in the journal of this name; "" where it is to be written without one. Raises
        JournalError where it must have one."""
        with self._turn:
            if not self._demanded and time.monotonic() < self._resting_until:
                return ""
            try:
                if self._key is None:
                    self._key = chosen_key(self._named, self.timeout_s)
                signature = sign(payload(journal, part), self._key, self.timeout_s)
            except SigningError as error:
                self._key, self._resting_until = None, time.monotonic() + AGAIN_S
                self.trouble = f"not signed: {error}"
                log.warning("%s", self.trouble)
                if self._demanded:
                    said = "an entry must be signed here (identity.sign, identity.require_signatures)"
                    raise JournalError(f"{said}, and was not: {error}") from error
                return ""
            self.trouble = ""
            return signature
