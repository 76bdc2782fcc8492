"""The keys that the tools read on a page, and the messages if the page cannot be read."""

from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.operate import page


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("config:\n  hardway:machines: {provider: local}\n", True),
        ("config:\n  hardway:machines:\n    provider: existing\n", False),
        ("config:\n  hardway:machines: {provider: 'aws', region: x}\n", False),
        ("secretsprovider: awskms://alias/k\nconfig: {}\n", True),
        ("config:\n  # provider: aws\n  hardway:nodes: []\n", True),
        ("config:\n  hardway:cluster: {provider: aws}\n", True),
        ("config:\n  hardway:machines:\n    secure: AAAB\n", True),
        ('config:\n  hardway:machines: \'{"provider": "aws"}\'\n', False),
        ("config:\n  hardway:machines: '{'\n", True),
        ('{"config": {"hardway:machines": {"region": "x",\n  "provider": "aws"}}}', False),
        ("", True),
    ],
)
def test_machines_that_are_not_here_need_nothing_of_this_host(tmp_path: Path, text: str, local: bool) -> None:
    path = tmp_path / "Pulumi.some.yaml"
    assert page.has_local_machines(path), "no page, no reason to leave anything out"
    path.write_text(text)
    assert page.has_local_machines(path) == local


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, r"^there is no page Pulumi\.some\.yaml$"),
        ("config: {\n", r"^Pulumi\.some\.yaml cannot be read: .*line 2"),
        ("- config\n", r"^Pulumi\.some\.yaml cannot be read: it is not a mapping$"),
        ("config: \x00\n", r"^Pulumi\.some\.yaml cannot be read: "),
    ],
)
def test_a_page_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "Pulumi.some.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ToolError, match=f"(?s){problem}"):
        page.read(path)
