"""`make restore`: the edit of the page, and which machines are made anew."""

import pytest
import yaml

from tools.common.errors import ToolError
from tools.operate.restore import with_restore

PAGE = """\
# The production cluster.
config:
  # Comments stay.
  hardway:cluster: {name: prod}
  hardway:nodes:
    - {name: a, roles: [etcd, control-plane]}  # the first
"""
WITH = PAGE + "  hardway:restore: {number: 3, snapshot: latest} # the fire of May\n  aws:region: x\n"


@pytest.mark.parametrize("text", [PAGE, WITH])
def test_only_the_restore_changes(text: str) -> None:
    edited = with_restore(text, 4, "12345678", "Pulumi.prod.yaml")
    config = yaml.safe_load(edited)["config"]
    assert config["hardway:restore"] == {"number": 4, "snapshot": "12345678"}, "the id is a string, not a number"
    assert {**config, "hardway:restore": 0} == {**yaml.safe_load(text)["config"], "hardway:restore": 0}
    assert [line for line in text.splitlines() if "restore" not in line] == [
        line for line in edited.splitlines() if "restore" not in line
    ]
    assert edited.count("#") == text.count("#")


def test_a_page_that_cannot_be_edited_says_what_to_write() -> None:
    with pytest.raises(ToolError, match=r'hardway:restore: \{number: 1, snapshot: "latest"\}'):
        with_restore("config: {hardway:cluster: {name: prod}}\n", 1, "latest", "Pulumi.prod.yaml")
