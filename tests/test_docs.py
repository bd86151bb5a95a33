"""The pages that ship with the console, and what `nexconsole docs` finds in them."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from nexconsole import docs, settings
from nexconsole.actions.registry import COMMANDS
from nexconsole.causes import chapters

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nexconsole"

PAGE = """# Page

intro

## One thing

text

```
## no heading
```

### Below it

more

## Another (thing), 2

end
"""


@pytest.mark.parametrize("topic", docs.TOPICS.values(), ids=lambda topic: topic.name)
def test_every_page_is_there_and_begins_with_its_title(topic):
    assert topic.text().startswith("# ")


@pytest.mark.parametrize("topic", docs.TOPICS.values(), ids=lambda topic: topic.name)
def test_every_page_is_in_the_wheel(topic):
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    included = {ROOT / target: ROOT / source for source, target in wheel["force-include"].items()}
    packaged = topic.places[0]
    assert packaged.is_relative_to(PACKAGE)
    assert packaged.is_file() or included[packaged].is_file()


def test_a_page_is_read_from_the_first_place_that_has_it(tmp_path):
    wheel, checkout = tmp_path / "wheel.md", tmp_path / "checkout.md"
    checkout.write_text("# checkout\n")
    topic = docs.Topic("page", "a page", (wheel, checkout))
    assert topic.text() == "# checkout\n"
    wheel.write_text("# wheel\n")
    assert topic.text() == "# wheel\n"


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Outbox", "outbox"),
        ("Stuck rows", "stuck-rows"),
        ("Another (thing), 2", "another-thing-2"),
        ("NextJS", "nextjs"),
    ],
)
def test_an_anchor_is_what_github_makes_of_a_heading(heading, anchor):
    assert docs.anchor(heading) == anchor


def test_a_page_has_the_anchors_of_its_headings_and_not_of_its_code():
    assert docs.anchors(PAGE) == ["page", "one-thing", "below-it", "another-thing-2"]


def test_a_section_goes_to_the_next_heading_of_its_level():
    assert docs.section(PAGE, "one-thing") == PAGE[PAGE.index("## One") : PAGE.index("## Another") - 1]
    assert docs.section(PAGE, "below-it") == "### Below it\n\nmore\n"
    assert docs.section(PAGE, "another-thing-2") == "## Another (thing), 2\n\nend\n"
    assert docs.section(PAGE, "page") == PAGE


def test_a_section_that_is_not_there_is_none():
    assert docs.section(PAGE, "no-heading") is None


@pytest.mark.parametrize("name", ["readme", "architecture", "security", "changelog"])
def test_links_between_pages_lead_somewhere(name):
    """In a checkout; a link to a folder or a file, not to an anchor or another site."""
    place = docs.TOPICS[name].places[-1]
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", place.read_text())
    files = [unquote(link) for link in links if "://" not in link]
    lost = [file for file in files if not (place.parent / file).exists()]
    assert lost == []


# A path from the root, a module below a folder, or one of the files at the root.
PATH = re.compile(r"`((?:nexconsole|tests|styles|\.ci|\.github)/[\w./-]*|\w+(?:/\w+)+\.py|pyproject\.toml|\w+\.lock)`")


@pytest.mark.parametrize("page", ["README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"])
def test_the_paths_that_a_page_names_exist(page):
    named = PATH.findall((ROOT / page).read_text())
    lost = [path for path in named if not any((base / path).exists() for base in (ROOT, PACKAGE))]
    assert lost == []


MODULE = re.compile(r"`([\w./-]+/|[\w./-]+\.(?:py|md))`")


def test_every_module_that_the_architecture_names_exists():
    named = MODULE.findall(docs.TOPICS["architecture"].text())
    assert len(named) > 40
    assert [path for path in named if not any((base / path).exists() for base in (PACKAGE, ROOT))] == []


def test_every_folder_and_module_of_the_package_stands_in_the_architecture():
    text = docs.TOPICS["architecture"].text()
    folders = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert {name for name in folders | modules if name not in text} == set()


def test_the_settings_that_the_readme_shows_are_settings(tmp_path):
    shown = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    file = tmp_path / "config.toml"
    file.write_text(re.sub(r"\{ command = .*? \}", '"postgresql://db/nexnum"', shown[1]))
    loaded = settings.load(str(file), {}, {}).settings
    assert loaded.environment == "production" and loaded.kubernetes.context == "prod"


def test_the_cause_that_the_readme_shows_is_a_cause():
    shown = re.search(r"```markdown\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    parsed = chapters.parse(shown[1], "team.md")
    assert [cause.id for cause in parsed.causes] == ["closed-at-night"]
    assert chapters.check(shown[1], COMMANDS) == ()


def test_the_changelog_begins_with_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    named = re.findall(r"^## \[([^]]+)\]", docs.TOPICS["changelog"].text(), flags=re.MULTILINE)
    assert next(name for name in named if name != "Unreleased") == version
