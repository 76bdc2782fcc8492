"""The documents: links lead somewhere, and decision records are complete."""

import re
from pathlib import Path

import pytest

from tools.common.paths import this_clone

ROOT = this_clone().root
PAGES = sorted(page for folder in ("docs", "examples", ".github") for page in (ROOT / folder).rglob("*.md"))
PAGES += sorted(ROOT.glob("*.md"))
RECORDS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
# Code has no links.
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def links(page: Path) -> list[str]:
    """The targets of a document's links, web pages left out."""
    found = LINK.findall(CODE.sub("", page.read_text()))
    return [target for target in found if not re.match(r"https?://", target)]


def anchors(page: Path) -> set[str]:
    """The anchors that a document's headings get: lower case, words joined by '-', without punctuation."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists() and file.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(file), target


def test_every_page_is_in_the_table_of_contents() -> None:
    """`make docs` refuses a page that is missing there, but only after minutes of other checks."""
    entries = re.findall(r"^(?:.* <)?([\w/]+)>?$", (ROOT / "docs/site/index.md").read_text(), re.MULTILINE)
    pages = {f"{folder}/{page.stem}" for folder in ("docs", "examples") for page in (ROOT / folder).glob("*.md")}
    assert pages - set(entries) == set()


def test_there_are_links() -> None:
    assert sum(len(links(page)) for page in PAGES) > 50


def test_decision_records_are_numbered_and_listed_in_their_order() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert re.findall(r"^\| \[\d+\]\(([^)]+)\)", index, re.MULTILINE) == [record.name for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_decision_record_has_a_date_a_status_and_three_sections(record: Path) -> None:
    link = r"\[record \d+\]\(\d{4}-[a-z0-9-]+\.md\)"
    head = rf"# {int(record.name[:4])}\. .+\n\n- Date: \d{{4}}-\d\d-\d\d\n- Status: (accepted|superseded by {link}.*)\n"
    text = record.read_text()
    assert re.match(head, text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
