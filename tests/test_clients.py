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


def test_redis_comes_without_metrics_of_itself_and_others_can_still_have_those():
    program = (
        "import sys; from nexconsole.sources.lazy_clients import _load; _load('redis.asyncio')\n"
        "print('opentelemetry' in sys.modules, 'redis.asyncio.client' in sys.modules)\n"
        "from typing import get_overloads; from redis.commands.core import ACLCommands\n"
        "print(get_overloads(ACLCommands.acl_cat))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "[]"]


def test_what_httpcore_lacks_is_searched_for_once():
    program = (
        "import sys\n"
        "asked = []\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        asked.append(name)\n"
        "from nexconsole.sources import lazy_clients; lazy_clients.ASKED_FOR = 'not_installed_anywhere'\n"
        "lazy_clients._load('httpx'); sys.meta_path.insert(0, Finder())\n"
        "try:\n"
        "    import not_installed_anywhere\n"
        "except ImportError:\n"
        "    print(asked)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
