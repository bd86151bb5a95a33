"""Who wrote an entry, as far as its file's owner and its signature show it.

A writer's entries are chained (`prev`), so that a signature vouches for all that the same writer wrote before: what
people do is signed, and what their console records by itself is covered by the next signature.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import JournalError, in_words
from ..settings import Settings
from ..text.sanitize import clean
from .accounts import account_of
from .entries import Entry, EntryKind, Proof, Writer, signed_part
from .layout import OTHERS_WRITE, Origin, journal_folder, lock_file
from .ranking import better
from .signatures import AllowedSigners, claimed_key, matches, payload, read_signers, verify_signature

LOOK_S = 0.15  # of a look at the journals that may go to checking signatures; the rest of them wait for the next
MOST_WRONG = 50  # signatures in one writer's name that are wrong before the rest of them wait for everybody else's
LONGEST_S = 120.0  # of a journal that is read once which may go to those
SIGNERS_EVERY_S = 2.0  # how often it is looked whether the allowed signers were changed

# What a console records by itself: covered by the signature of what a person does next.
BY_ITSELF = frozenset({EntryKind.SEVERITY, EntryKind.SEEN, EntryKind.CAUSE, EntryKind.FIGURES, EntryKind.NOTIFIED})
SLACK_US = 60_000_000  # by which a console of an earlier version may have been the last to write its file
UNCHECKED = "its signature is not checked yet: many in its writer's name are wrong"
UNSIGNED = "is not signed, and the settings demand it (identity.require_signatures)"


@dataclass(frozen=True)
class FileOwner:
    """Whose a file is, and whether others may write it too."""

    account: str
    others_write: bool
    since: int = 0  # when the account's first console began it (microseconds since 1970, the kernel's); 0: not known

    @classmethod
    def of(cls, file: Path, found: os.stat_result) -> FileOwner:
        """As the kernel has it for the file that was opened as `file`."""
        try:
            begun = lock_file(file).lstat().st_ctime_ns // 1000
        except OSError:
            begun = 0
        return cls(account_of(found.st_uid), bool(found.st_mode & OTHERS_WRITE), begun)


def by_owner(entry: Entry, origin: Origin, owner: FileOwner, host: str) -> Entry:
    """The entry with what the kernel proves of it, seen on this host."""
    writer = entry.writer
    if origin is Origin.EARLIER:
        return entry
    if not entry.intact:
        return _doubted(entry, Proof.FORGED, "was changed after it was written")
    if origin is Origin.IMPORTED:
        if is_of(writer, host):
            said = f"names {_account(writer)} of this host, in what {owner.account} took over from other hosts"
            return _doubted(entry, Proof.FORGED, said)
        return _doubted(entry, Proof.NONE, "")
    if writer.account != owner.account:
        return _doubted(entry, Proof.FORGED, f"its file belongs to {owner.account}, it names {_account(writer)}")
    if owner.others_write:
        return _doubted(entry, Proof.NONE, "others may write its file")
    return _doubted(entry, Proof.KERNEL if writer.host == host else Proof.NONE, "")


def is_of(writer: Writer, host: str) -> bool:
    """Whether a writer says that it is on this host: then its own file would be here."""
    return writer.host == host


def _account(writer: Writer) -> str:
    return clean(writer.account, 100) or "no account"


def _doubted(entry: Entry, proof: Proof, doubt: str) -> Entry:
    return replace(entry, proof=proof, doubt=doubt, signer="", signed_as="")


class EarlierFile:
    """What the file of an earlier version holds, that every account can write: nobody writes it any more once accounts
    have files of their own, and nothing in it can speak of what stands there."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._since = 0  # when the first account began a file of its own
        self._begun: set[str] = set()  # the intents and proposals that stand in accounts' own files

    def read(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """These entries came from it."""
        judged = tuple(self._judged(entry) for entry in entries)
        self._entries |= {entry.id: entry for entry in judged if entry.proof is Proof.EARLIER}
        return judged

    def overtaken(self, own: Sequence[Entry], since: int) -> list[Entry]:
        """These came from an account's own file, begun at `since`: what of the earlier file is forged by that."""
        self._begun |= {entry.id for entry in own if entry.kind in (EntryKind.INTENT, EntryKind.PROPOSED)}
        self._since = min(filter(None, (self._since, since)), default=0)
        forged = [judged for entry in self._entries.values() if (judged := self._judged(entry)) is not entry]
        for entry in forged:
            del self._entries[entry.id]
        return forged

    def _judged(self, entry: Entry) -> Entry:
        late = self._since and entry.order > self._since + SLACK_US
        if late or {str(entry.data.get(key)) for key in ("intent", "proposal")} & self._begun:
            return _doubted(entry, Proof.FORGED, "stands in a file that all accounts can write, since each has its own")
        return entry


def _follows(entry: Entry, before: Entry) -> bool:
    """Whether the one whose digest an entry has in `prev` is the same writer's entry before it: a signature covers
    nothing of others."""
    return before.writer == entry.writer and before.seq == entry.seq - 1


def replaces(entry: Entry, other: Entry) -> bool:
    """Whether a line's new proof stands in the place of the one that it had: what its signature says always does."""
    return entry.proof in (Proof.SIGNED, Proof.FORGED) or not better(other, entry)


class Prover:
    """Finds what proves each entry, as it is read. One for each reader of journals; for one thread at a time.

    `signers` is the file of allowed signers, None where signatures are not checked. `trouble` says why they can't be.
    """

    def __init__(
        self,
        signers: Path | None = None,
        *,
        require: bool = False,
        shared_accounts: Sequence[str] = (),
        me: Writer | None = None,
        host: str = "",
        copy: bool = False,
    ) -> None:
        self.trouble = ""
        self._file, self._require, self._shared = signers, require, frozenset(shared_accounts)
        self._me, self._host, self._copy = me, host or socket.gethostname(), copy
        self._signers: AllowedSigners | None = None
        self._signers_mark: tuple[int, int, int] | None = None
        self._looked_at = -SIGNERS_EVERY_S
        self._waiting: deque[tuple[str, Entry]] = deque()  # signatures that are to be checked
        self._doubtful: deque[tuple[str, Entry]] = deque()  # and after these: in a name in which many were wrong
        self._known: dict[tuple[str, str], Entry] = {}  # what may be covered, by its journal's name and its digest
        self._owed: dict[tuple[str, str], Entry] = {}  # what has not come yet -> the signed entry right after it
        self._settled: list[tuple[str, Entry]] = []
        self._earlier: dict[str, EarlierFile] = {}
        self._wrong: Counter[Writer] = Counter()

    @classmethod
    def of(cls, settings: Settings, me: Writer | None = None, journal: Path | None = None) -> Prover:
        """As the settings have it. `me` is this console's writer, who proves nothing to himself. A `journal` in another
        folder than the settings' is a copy: who owns its files says nothing of who wrote them."""
        chosen = settings.identity
        file = Path(chosen.allowed_signers).expanduser() if chosen.allowed_signers else None
        shared = chosen.shared_accounts
        host = me.host if me is not None else ""
        copy = journal is not None and journal.absolute().parent != journal_folder(settings).absolute()
        return cls(file, require=chosen.require_signatures, shared_accounts=shared, me=me, host=host, copy=copy)

    def prove(self, name: str, origin: Origin, owner: FileOwner, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """These entries of one file of the journal `name`, with what is known of them at once; `settle` gives those
        whose signatures are checked later."""
        proved = tuple(self._first(name, self._owned(entry, origin, owner), origin) for entry in entries)
        if self._copy or origin is Origin.IMPORTED:
            return proved
        earlier = self._earlier.setdefault(name, EarlierFile())
        if origin is Origin.EARLIER:
            return earlier.read(proved)
        self._settled += [(name, entry) for entry in earlier.overtaken(proved, owner.since)]
        return proved

    def _owned(self, entry: Entry, origin: Origin, owner: FileOwner) -> Entry:
        found = by_owner(entry, origin, owner, self._host)
        if self._copy and found.proof is Proof.FORGED and entry.intact:
            return replace(found, proof=Proof.NONE, doubt="")
        return found

    def _first(self, name: str, entry: Entry, origin: Origin) -> Entry:
        checked = self._file is not None and origin is not Origin.EARLIER
        if not checked and not self._require:
            return entry
        if origin is Origin.EARLIER or (entry.proof is Proof.FORGED and not self._may_vouch(entry, origin)):
            return entry
        if checked:
            place = (name, entry.digest)
            after = self._owed.pop(place, None)
            if after is not None and _follows(after, entry):
                signed = self._signed(entry, after.signer)
                self._settled += [(name, covered) for covered in self._cover(name, signed)]
                return signed
            self._known[place] = entry
            if entry.sig:
                self._waiting.append((name, entry))
        return self._unsigned(entry)

    def _may_vouch(self, entry: Entry, origin: Origin) -> bool:
        """Whether a signature may prove what the file's owner does not: what came back from other hosts."""
        return origin is Origin.IMPORTED and entry.intact

    def _unsigned(self, entry: Entry, doubt: str = "") -> Entry:
        """The entry while no signature covers it."""
        doubt = doubt or entry.doubt
        if self._require and entry.proof in (Proof.KERNEL, Proof.NONE) and entry.writer != self._me:
            return _doubted(entry, Proof.UNSIGNED, doubt or UNSIGNED)
        return replace(entry, doubt=doubt) if doubt != entry.doubt else entry

    # --- signatures -------------------------------------------------------------------------------------------

    def settle(self, budget_s: float = LOOK_S) -> tuple[tuple[str, Entry], ...]:
        """Check signatures that wait, for about so many seconds: entries whose proof is another than was returned
        before, each with its journal's name."""
        until = time.monotonic() + budget_s
        signers = self._read_signers() if self._waiting or self._doubtful else None
        settled, self._settled = self._settled, []
        while (self._waiting or self._doubtful) and time.monotonic() < until:
            first = bool(self._waiting)
            name, entry = (self._waiting if first else self._doubtful).popleft()
            if first and self._wrong[entry.writer] >= MOST_WRONG:
                self._doubtful.append((name, entry))
                settled.append((name, self._unsigned(entry, UNCHECKED)))
                continue
            kept = self._known.get((name, entry.digest))
            if kept is not None and kept.proof is Proof.SIGNED:  # a later signature covers it
                continue
            if signers is None:
                settled.append((name, self._unsigned(entry, f"its signature can't be checked: {self.trouble}")))
                continue
            checked = self._checked(name, entry, signers)
            settled.append((name, checked))
            if checked.proof is Proof.SIGNED:
                settled += [(name, covered) for covered in self._cover(name, checked)]
        return tuple(settled)

    def settled(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """These entries with their last proof, however long it takes: for what is read once."""
        last: dict[str, Entry] = {}
        until = time.monotonic() + LONGEST_S
        while self._waiting or self._settled or (self._doubtful and time.monotonic() < until):
            for _, entry in self.settle(1.0):
                if entry.id not in last or replaces(entry, last[entry.id]):
                    last[entry.id] = entry
        found = ((entry, last.get(entry.id, entry)) for entry in entries)
        return tuple(other if replaces(other, entry) else entry for entry, other in found)

    def _checked(self, name: str, entry: Entry, signers: AllowedSigners) -> Entry:
        key = claimed_key(entry.sig)
        part = signed_part(entry)
        if key is None or not part:
            return _doubted(entry, Proof.FORGED, "what stands as its signature is none")
        lines = signers.lines_for(key)
        if not lines:
            return self._unsigned(
                entry, f"is signed by a key that is not among the allowed signers ({key.fingerprint})"
            )
        names = self._principals(entry.writer)
        fitting = [(line, who) for who in names for principals, line in lines if matches(principals, who)]
        if not fitting:
            said = f"is signed by the key of {clean(lines[0][0], 100)}, it names {names[0]}"
            return self._wrongly(entry, said)
        why = ""
        for line, who in fitting:
            try:
                why = verify_signature(payload(name, part), entry.sig, line, who, entry.at)
            except OSError as error:
                return self._unsigned(entry, f"its signature can't be checked: {in_words(error)}")
            if not why:
                return self._signed(entry, key.fingerprint)
        return self._wrongly(entry, why)

    def _wrongly(self, entry: Entry, why: str) -> Entry:
        self._wrong[entry.writer] += 1
        return _doubted(entry, Proof.FORGED, why)

    def _signed(self, entry: Entry, signer: str) -> Entry:
        *_, signed_as = self._principals(entry.writer)
        return replace(entry, proof=Proof.SIGNED, doubt="", signer=signer, signed_as=signed_as)

    def _principals(self, writer: Writer) -> tuple[str, ...]:
        """The names under which a writer's key may be listed. Where several people share an account, the account says
        nothing and the operator's name counts."""
        if writer.account in self._shared:
            return (clean(writer.operator, 100),)
        return (f"{writer.account}@{writer.host}", writer.account)

    def _cover(self, name: str, signed: Entry) -> list[Entry]:
        """What the same writer wrote before, up to what a signature covers already."""
        self._known[name, signed.digest] = signed
        covered: list[Entry] = []
        last = signed
        while last.seq > 1:
            place = (name, last.prev)
            before = self._known.get(place)
            if before is None:
                self._owed[place] = last
                break
            if before.proof is Proof.SIGNED or not _follows(last, before):
                break
            last = self._signed(before, signed.signer)
            self._known[place] = last
            covered.append(last)
        return covered

    def _read_signers(self) -> AllowedSigners | None:
        """The allowed signers, read again when their file was changed."""
        now = time.monotonic()
        if self._file is None or now - self._looked_at < SIGNERS_EVERY_S:
            return self._signers
        self._looked_at = now
        try:
            found = self._file.lstat()
            mark = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
            if mark != self._signers_mark:
                self._signers, self._signers_mark = read_signers(self._file), mark
            self.trouble = ""
        except (OSError, JournalError) as error:
            said = f"{self._file}: {in_words(error)}" if isinstance(error, OSError) else str(error)
            self._signers, self._signers_mark, self.trouble = None, None, said
        return self._signers
