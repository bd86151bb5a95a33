"""Consoles that write entries and are gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLAN = {
    "action": "provider.disable",
    "arguments": {"provider": "smsbower"},
    "watch": "its attempts fall to none",
    "command": "psql ...",
}
DONE = "j.append('outcome', {'intent': i.id, 'outcome': {'state': 'done', 'answer': 'UPDATE 1'}})"


def crashed(folder: Path, *lines: str) -> None:
    """Another process that writes entries and is gone."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom controller import settings\n"
        "from nexconsole.journal import open_journal\n"
        "j = open_journal(settings(Path(sys.argv[1])), 'carol')\n" + "\n".join(lines)
    )
    here = Path(__file__).parent
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        check=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
    )
