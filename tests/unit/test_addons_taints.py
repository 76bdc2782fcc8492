"""Which taints are removed from a node before the provider updates the node."""

from typing import Any

import pytest

from components.addons.taints import taints_to_remove

OWN = {"key": "a", "value": "x", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        ([OWN], [], [("a", "NoSchedule")]),
        ([OWN], None, [("a", "NoSchedule")]),
        # The provider takes a list that is not empty from every other owner.
        ([OWN], [{"key": "b", "effect": "NoExecute"}], []),
        ([], [], []),
        (None, [OWN], []),
    ],
)
def test_only_the_last_taints_are_removed_by_name(old: Any, new: Any, gone: list[tuple[str, str]]) -> None:
    def node(taints: Any) -> dict[str, Any]:
        return {"metadata": {"name": "w"}, "spec": {} if taints is None else {"taints": taints}}

    assert list(taints_to_remove(node(old), node(new))) == gone
