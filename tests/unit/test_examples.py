"""The gallery of example pages: each page is small, explained, accepted by the rules, and listed."""

import re
from pathlib import Path

import pytest
import yaml

from components.config import load
from components.config.existing import ExistingSection
from components.config.schema import FILE
from tools.common.paths import this_clone

FOLDER = this_clone().root / "examples"
PAGES = sorted(FOLDER.glob("*.yaml"))
INDEX = (FOLDER / "README.md").read_text()
# A page and its comments fit on one screen.
LINES, COLUMNS = 32, 120

every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


def comment_of(path: Path) -> list[str]:
    """The lines between the schema and the first key."""
    _, *lines = path.read_text().splitlines()
    return lines[: next(index for index, line in enumerate(lines) if not line.startswith("# "))]


@every_page
def test_a_page_fits_on_a_screen(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS


@every_page
def test_a_page_says_what_it_is_for_and_what_has_to_be_replaced(path: Path) -> None:
    comment = comment_of(path)
    assert 2 <= len(comment) <= 5
    assert any(line.startswith("# Replace: ") for line in comment)


@every_page
def test_a_page_is_accepted_and_named_after_its_stack(path: Path) -> None:
    page = load({k.removeprefix("hardway:"): v for k, v in yaml.safe_load(path.read_text())["config"].items()})
    assert page.cluster.name in (path.stem, path.stem.removeprefix("aws-"))
    if isinstance(page.machines, ExistingSection):
        assert f"make host-keys STACK={path.stem}`" in " ".join(comment_of(path))


@every_page
def test_the_schema_is_found_from_the_page_and_from_its_copy(path: Path) -> None:
    """The name in the first line is relative to the folder of the page: examples/, and the root for a copy."""
    assert path.read_text().startswith(f"# yaml-language-server: $schema={FILE}\n")
    assert (path.parent / FILE).resolve() == (FOLDER.parent / FILE).resolve(strict=True)


@every_page
def test_documents_that_a_page_names_exist(path: Path) -> None:
    text = path.read_text()
    for document in re.findall(r"[\w/-]+\.md", text):
        assert (FOLDER.parent / document).exists(), document
    for document, headings in re.findall(r'(docs/\w+\.md), ((?:"[^"]+"(?: and )?)+)', text.replace("\n# ", " ")):
        for heading in re.findall(r'"([^"]+)"', headings):
            assert f"\n## {heading}\n" in (FOLDER.parent / document).read_text(), heading
    for other in re.findall(r"see ([\w-]+\.yaml)", text):
        assert (FOLDER / other).exists(), other


def test_the_index_has_one_row_for_each_page() -> None:
    rows = re.findall(r"^\| \[([^\]]+)\]\(([^)]+)\) \|", INDEX, re.MULTILINE)
    assert sorted(rows) == [(path.name, path.name) for path in PAGES]
    assert len(PAGES) >= 8


def test_commands_of_the_index_use_a_page_that_exists() -> None:
    (source, stack), *_ = re.findall(r"^\$ cp examples/(\S+) Pulumi\.(\S+)\.yaml$", INDEX, re.MULTILINE)
    assert FOLDER / source in PAGES
    assert {*re.findall(r"STACK=([\w-]+)", INDEX)} == {stack}
