"""Classes of changes: every key has a class, and fixed values are compared."""

import re

import pytest
from clusters import cluster

from components.config.changes import CHANGES, Change, change_of, refused_changes
from components.config.reference import reference
from components.fixed import fixed_values

PATHS = [re.sub(r" \(\w+\)", "", path) for path in re.findall(r"^\| `([^`]+)`", reference(), re.MULTILINE)]


@pytest.mark.parametrize("path", PATHS)
def test_every_key_has_a_class(path: str) -> None:
    assert change_of(path) in Change


@pytest.mark.parametrize("beginning", CHANGES)
def test_every_line_of_the_table_is_about_a_key(beginning: str) -> None:
    assert [path for path in PATHS if path == beginning or path.startswith((f"{beginning}.", f"{beginning}["))]


@pytest.mark.parametrize("name", ["stacked", "dedicated_etcd", "existing"])
def test_fixed_keys_are_the_ones_that_are_compared(name: str) -> None:
    compared = set(fixed_values(cluster(name).page, cluster(name).topology))
    fixed = {path for path in PATHS if change_of(path) == Change.FIXED}
    assert compared <= fixed
    elsewhere = {path for path in fixed if path.startswith("machines.") and path != "machines.provider"}
    assert fixed - elsewhere <= compared


def test_a_changed_value_is_a_finding_with_both_values() -> None:
    (finding,) = refused_changes({"a.b": "1", "c": "2"}, {"a.b": "3", "c": "2", "d": "4"}, "the way out")
    assert str(finding) == "hardway:a.b: '3' cannot take the place of '1' on a running cluster; allowed: the way out"


def test_an_unknown_path_has_no_class() -> None:
    with pytest.raises(KeyError):
        change_of("nothing.of.the.kind")
