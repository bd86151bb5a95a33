"""A console of its own process for the journal's tests: `python journal_writer.py FILE OPERATOR COUNT`.

It appends COUNT notes (0: until it is killed) and prints a line for each once it is on record.
"""

import itertools
import sys
from pathlib import Path

from nexconsole.journal import Journal, Scrubber, Writer


def main() -> None:
    file, operator, count = sys.argv[1:4]
    journal = Journal(Path(file), Writer.here(operator), Scrubber(), lock_timeout_s=30.0)
    for number in itertools.count(1) if count == "0" else range(1, int(count) + 1):
        entry = journal.append("note", {"text": f"{operator} {number}", "filler": "x" * 2000})
        print(entry.id, flush=True)


if __name__ == "__main__":
    main()
