"""The append-only record of an incident: append an entry durably, read it, verify it.

The folder holds a folder per incident (`INC-20261123-1342/`), in it a file for each account that only that account can
write (`maria.jsonl`), with what it took over from other hosts (`maria.elsewhere`), and `outside-incidents/` for entries
outside of any incident. To share it between accounts: `install -d -m 3770 -g GROUP FOLDER`, and name it in
`journal.folder`. Everything here blocks, so call it by `asyncio.to_thread`; `follow` and `follow_incident` don't.
"""

from .entries import Entries, Entry, EntryKind, JournalProblem, Proof, Writer
from .files import try_folder
from .folder import (
    OUTSIDE,
    JournalWatch,
    journal_file,
    journal_files,
    look_over,
    new_incident,
    open_journal,
    own_journal,
    recent_files,
)
from .layout import JournalPart, Origin, journal_folder, journal_of, parts_of, size_of, touched_at
from .local_tail import LocalTail
from .processes import Life
from .proofs import FileOwner, Prover, replaces
from .ranking import better, counted, merge
from .reader import Unfinished, read, unfinished, unjudged
from .redaction import Scrubber
from .remote import follow_incident, import_entries, parse_remote_entry, read_incident, remote_file, verify_incident
from .tail import Tail, follow
from .verify import verify
from .writer import Journal

__all__ = [
    "OUTSIDE",
    "Entries",
    "Entry",
    "EntryKind",
    "FileOwner",
    "Journal",
    "JournalPart",
    "JournalProblem",
    "JournalWatch",
    "Life",
    "LocalTail",
    "Origin",
    "Proof",
    "Prover",
    "Scrubber",
    "Tail",
    "Unfinished",
    "Writer",
    "better",
    "counted",
    "follow",
    "follow_incident",
    "import_entries",
    "journal_file",
    "journal_files",
    "journal_folder",
    "journal_of",
    "look_over",
    "merge",
    "new_incident",
    "open_journal",
    "own_journal",
    "parse_remote_entry",
    "parts_of",
    "read",
    "read_incident",
    "recent_files",
    "remote_file",
    "replaces",
    "size_of",
    "touched_at",
    "try_folder",
    "unfinished",
    "unjudged",
    "verify",
    "verify_incident",
]
