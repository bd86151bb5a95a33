"""The client libraries are imported without what nothing here uses."""

import subprocess
import sys


def test_httpx_comes_without_its_command_line_and_others_can_still_have_that():
    program = (
        "import sys; from nexconsole.sources.lazy_clients import _load; _load('httpx')\n"
        "print('httpx._main' in sys.modules, 'rich.progress' in sys.modules, 'httpcore' in sys.modules)\n"
        "import httpx._main; print('rich.progress' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False False True", "True"]
