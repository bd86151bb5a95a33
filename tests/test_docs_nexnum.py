"""The page on NexNum: every citation in the code has its section, and every section its use."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nexconsole"
PAGE = PACKAGE / "docs" / "nexnum.md"
ANCHOR = r"#[a-z][a-z0-9-]*"
CITATION = re.compile(rf"nexnum\.md({ANCHOR}(?:,\s+(?:\#\s+)?{ANCHOR})*)")
FORMER = re.compile(r"\b(?:facts?|contradictions?)[\s#]+\d")
BACKGROUND = "*Background.*"


def anchor(heading: str) -> str:
    return "#" + re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def sections(page: str) -> dict[str, str]:
    """The text of each section of the third level, by its anchor."""
    _, *parts = re.split(r"^### (.+)$", page, flags=re.MULTILINE)
    texts = {}
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        assert anchor(heading) not in texts, f"two sections are called {heading}"
        texts[anchor(heading)] = re.split(r"^## ", text, flags=re.MULTILINE)[0]
    return texts


def files() -> list[Path]:
    """Python, Markdown and style sheets of the package and its tests, but for this page and this test."""
    found = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.md"), *(ROOT / "tests").rglob("*.py"), ROOT / "README.md"]
    return sorted(path for path in found if path not in (PAGE, Path(__file__)))


def citations(text: str) -> set[str]:
    return {name for match in CITATION.finditer(text) for name in re.findall(ANCHOR, match[1])}


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("(nexnum.md#outbox)", {"#outbox"}),
        ("(nexnum.md#outbox, #stuck-rows)", {"#outbox", "#stuck-rows"}),
        ("(nexnum.md#outbox,\n    # #wallets) more", {"#outbox", "#wallets"}),
        ("# nexnum.md#samples: that is not zero", {"#samples"}),
        ("nexnum.md says so, #samples too", set()),
    ],
)
def test_a_citation_is_found_in_each_of_its_forms(text, cited):
    assert citations(text) == cited


def test_every_citation_has_its_section():
    known = sections(PAGE.read_text())
    wrong = {
        f"{path.relative_to(ROOT)}: {name}" for path in files() for name in citations(path.read_text()) - set(known)
    }
    assert wrong == set()


def test_every_section_is_cited_or_background():
    cited = set().union(*(citations(path.read_text()) for path in files()))
    known = sections(PAGE.read_text())
    assert len(known) > 40
    background = {name for name, text in known.items() if text.lstrip().startswith(BACKGROUND)}
    assert set(known) - cited - background == set(), "cite these, or call them background"
    assert background & cited == set(), "these are cited, and so no background"


def test_references_within_the_page_have_their_section():
    page = PAGE.read_text()
    body = re.sub(r"`[^`\n]*`", "", page)
    assert set(re.findall(rf"(?<=[ (]){ANCHOR}", body)) - set(sections(page)) == set()


def test_no_citation_is_in_the_former_numbers():
    assert [str(path) for path in files() if FORMER.search(path.read_text())] == []


def test_each_correction_of_the_runbook_is_a_row_of_the_page():
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE.read_text(), flags=re.MULTILINE)}
    assert rows == set(range(1, len(rows) + 1))
    runbook = (PACKAGE / "runbook" / "incident-response.md").read_text()
    named = {
        int(n) for group in re.findall(r"\((\d+(?:, \d+)*)\)$", runbook, flags=re.MULTILINE) for n in group.split(", ")
    }
    assert named and named <= rows
