"""Each row of the table of changes has a test on a running cluster: the marker `proves_changes` names its rows."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.config.changes import CHANGES, Change
from tools.common.paths import this_clone

SUITES = this_clone().root / "tests" / "e2e"
MARKER = "proves_changes"
NOT_PROVEN = {
    # Hosts are containers or they are not, and become neither.
    "machines.containers": "onprem",
    # There is no host with an arm64 processor.
    "nodes[].architecture": "onprem",
}
"""Rows whose change no suite tries yet, with the suite that has the machines for it. The list may only get shorter."""


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """Rows that tests of a file name, with the name of the test."""
    for function in ast.parse(path.read_text()).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == f"pytest.mark.{MARKER}":
                assert function.name.startswith("test_"), f"{path}: {function.name} is no test"
                for argument in decorator.args:
                    inner = argument.value if isinstance(argument, ast.Starred) else argument
                    value = ast.literal_eval(inner)
                    for row in value if isinstance(value, tuple) else (value,):
                        yield row, f"{path.relative_to(SUITES)}::{function.name}"


@functools.cache
def proofs() -> dict[str, list[str]]:
    """The tests that prove each row."""
    found: dict[str, list[str]] = {}
    for path in sorted(SUITES.rglob("test_*.py")):
        for row, test in marked(path):
            found.setdefault(row, []).append(test)
    return found


@pytest.mark.parametrize("row", CHANGES)
def test_every_row_is_proven_on_a_running_cluster(row: str) -> None:
    assert (row in proofs()) != (row in NOT_PROVEN), (
        f"{row}: mark the end-to-end test that changes this value with @pytest.mark.{MARKER}({row!r})"
    )


def test_tests_name_rows_that_exist() -> None:
    assert proofs().keys() | NOT_PROVEN.keys() <= CHANGES.keys()


def test_a_refusal_is_the_proof_of_a_fixed_value() -> None:
    """And of nothing else: a refused change says nothing about what a change does."""
    refusals = {row: [test for test in tests if "refused" in test] for row, tests in proofs().items()}
    assert {row for row, tests in refusals.items() if tests} == {
        row for row in proofs() if CHANGES[row] is Change.FIXED
    }
