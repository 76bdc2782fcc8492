"""The engine that is kept warm has imported what takes long, so that a run of the program takes a second at most."""

import pytest
from clusters import lock_data
from conftest import page_values
from recording import page, recorded, run

from components.config import load

DEPRECATED = ("alpha", "beta")
"""Versions of APIs that the SDK imports with the first attribute of a package, and that take no time."""


@pytest.mark.parametrize("name", ["stacked", "existing", "aws"])
def test_a_run_imports_nothing_that_takes_long(name: str) -> None:
    """If this fails, then add the packages to `warm_engine.py`."""
    found = run(page(name), lock=lock_data(load(page_values(name))))
    assert found.error is None, found.error
    modules = [module for module in found.imported if module.startswith(("pulumi", "components", "policies"))]
    assert [module for module in modules if not any(word in module for word in DEPRECATED)] == []


def test_the_program_looks_for_no_cyclic_garbage() -> None:
    """That would be a third of its time with 500 nodes."""
    assert not recorded("stacked").collects
