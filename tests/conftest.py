"""Pages for tests, and changes of pages."""

import copy
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from components.config import durations

if TYPE_CHECKING:
    from real_etcd import EtcdCluster

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


def written(value: Any) -> Any:
    """Values of a page as a file has them."""
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return durations.text(value) if isinstance(value, timedelta) else value


def _steps(path: str) -> list[str | int]:
    found = [match.groupdict() for match in _STEP.finditer(path)]
    return [int(step["index"]) if step["index"] else step["quoted"] or step["key"] for step in found]


@pytest.fixture
def stacked() -> Values:
    """Three nodes with etcd and control plane, two workers."""
    return page_values("stacked")


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[EtcdCluster]":
    """A real etcd with one member, and a quota of 50 MB."""
    from real_etcd import running

    with running(tmp_path_factory.mktemp("etcd"), 1, 50_000_000) as made:
        yield made
