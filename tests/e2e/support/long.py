"""A value of a parameter for which a test takes long and repeats, in part, what it shows for other values."""

from typing import Any

import pytest


def long(*values: Any) -> Any:
    """The values of one case, with the marker `long`."""
    return pytest.param(*values, marks=pytest.mark.long)
