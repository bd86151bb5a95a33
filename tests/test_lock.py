"""requirements.lock: the versions that the tests run with, for every dependency that pyproject.toml names."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMED = sorted(
    {
        text
        for part in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
        for text in part
        if Requirement(text).name != PROJECT["name"]
    }
)
LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]


def locked() -> dict[str, str]:
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LINES)}


def test_every_line_is_one_exact_version():
    assert LINES and all(re.fullmatch(r"[\w.-]+==[\w.!+]+", line) for line in LINES)


@pytest.mark.parametrize("text", NAMED)
def test_a_dependency_is_locked_to_a_version_that_it_allows(text):
    requirement = Requirement(text)
    version = locked().get(canonicalize_name(requirement.name))
    assert version is not None, "make the lock anew, as .github/CONTRIBUTING.md says"
    assert requirement.specifier.contains(version, prereleases=True)


def test_the_commands_of_the_readme_use_the_lock():
    installs = [line for line in (ROOT / "README.md").read_text().splitlines() if "pip install -q" in line]
    assert installs and all("-c requirements.lock" in line for line in installs)
