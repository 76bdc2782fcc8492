"""Pages for tests, and changes of pages."""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

DATA = Path(__file__).parent / "data"
_STEP = re.compile(r'\["(?P<quoted>[^"]*)"\]|\[(?P<index>\d+)\]|\.?(?P<key>[^.\[\]]+)')

Values = dict[str, Any]


def changed(base: Mapping[str, Any], change: Mapping[str, Any]) -> Values:
    """`base` with the values of `change`, by path. Missing mappings are made."""
    values = copy.deepcopy(dict(base))
    for path, value in change.items():
        *way, last = _steps(path)
        here: Any = values
        for step in way:
            here = here[step] if isinstance(step, int) else here.setdefault(step, {})
        here[last] = value
    return values


def page_values(name: str) -> Values:
    """The good page `tests/data/pages/<name>.yaml` as `components.config.load` takes it."""
    values: Values = yaml.safe_load((DATA / "pages" / f"{name}.yaml").read_text())
    return values


def _steps(path: str) -> list[str | int]:
    found = [match.groupdict() for match in _STEP.finditer(path)]
    return [int(step["index"]) if step["index"] else step["quoted"] or step["key"] for step in found]


@pytest.fixture
def stacked() -> Values:
    """Three nodes with etcd and control plane, two workers."""
    return page_values("stacked")
