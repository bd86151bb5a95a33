"""The append-only record of an incident: append one entry durably, read it back, verify it.

The folder holds one file an incident (`INC-20261123-1342.jsonl`) and `outside-incidents.jsonl` for what is done
without one. To share it between accounts: `install -d -m 2770 -g GROUP FOLDER`, and name it in `journal.folder`.
Everything here blocks: call it by `asyncio.to_thread`, except `follow`.
"""

from .appending import Journal
from .entries import Entries, Entry, Kind, Problem, Writer
from .files import try_folder
from .folder import OUTSIDE, journal_file, journal_files, journal_folder, new_incident, open_journal, recent_files
from .processes import Life
from .reading import Tail, Unfinished, follow, merge, read, unfinished
from .scrubbing import Scrubber
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
    "follow",
    "journal_file",
    "journal_files",
    "journal_folder",
    "merge",
    "new_incident",
    "open_journal",
    "read",
    "recent_files",
    "try_folder",
    "unfinished",
    "verify",
]
