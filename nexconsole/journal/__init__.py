"""The append-only record of an incident: append one entry durably, read it back, verify it.

The folder holds one file an incident (`INC-20261123-1342.jsonl`), beside it what came from other hosts
(`INC-20261123-1342.jsonl.elsewhere`), and `outside-incidents.jsonl` for what is done without one. To share it between
accounts: `install -d -m 2770 -g GROUP FOLDER`, and name it in `journal.folder`.
Everything here blocks, so call it by `asyncio.to_thread`; `follow` and `follow_incident` don't.
"""

from .appending import Journal
from .elsewhere import absorb, elsewhere_file, follow_incident, foreign, read_incident, verify_incident
from .entries import Entries, Entry, Kind, Problem, Writer
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
from .reading import Unfinished, better, merge, read, unfinished, unjudged
from .scrubbing import Scrubber
from .tail import Tail, follow
from .verification import verify

__all__ = [
    "OUTSIDE",
    "Entries",
    "Entry",
    "Journal",
    "Kind",
    "Life",
    "Problem",
    "Scrubber",
    "Tail",
    "Unfinished",
    "Writer",
    "absorb",
    "better",
    "elsewhere_file",
    "follow",
    "follow_incident",
    "foreign",
    "journal_file",
    "journal_files",
    "journal_folder",
    "look_over",
    "merge",
    "new_incident",
    "open_journal",
    "read",
    "read_incident",
    "recent_files",
    "try_folder",
    "unfinished",
    "unjudged",
    "verify",
    "verify_incident",
]
