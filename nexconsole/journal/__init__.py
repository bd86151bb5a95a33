"""The append-only record of an incident: append an entry durably, read it, verify it.

The folder holds one file per incident (`INC-20261123-1342.jsonl`), beside it the entries from other hosts
(`INC-20261123-1342.jsonl.elsewhere`), and `outside-incidents.jsonl` for entries outside of any incident. To share it
between accounts: `install -d -m 2770 -g GROUP FOLDER`, and name it in `journal.folder`. Everything here blocks, so call
it by `asyncio.to_thread`; `follow` and `follow_incident` don't.
"""

from .entries import Entries, Entry, EntryKind, JournalProblem, Proof, Writer
from .files import try_folder
from .folder import (
    OUTSIDE,
    journal_file,
    journal_files,
    journal_folder,
    look_over,
    new_incident,
    open_journal,
    recent_files,
)
from .processes import Life
from .reader import Unfinished, better, merge, read, unfinished, unjudged
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
    "Journal",
    "JournalProblem",
    "Life",
    "Proof",
    "Scrubber",
    "Tail",
    "Unfinished",
    "Writer",
    "better",
    "follow",
    "follow_incident",
    "import_entries",
    "journal_file",
    "journal_files",
    "journal_folder",
    "look_over",
    "merge",
    "new_incident",
    "open_journal",
    "parse_remote_entry",
    "read",
    "read_incident",
    "recent_files",
    "remote_file",
    "try_folder",
    "unfinished",
    "unjudged",
    "verify",
    "verify_incident",
]
