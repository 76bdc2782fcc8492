"""A power cut, the same test as on local machines: hosts keep their kernel settings, swap stays off, units start."""

import pytest

from tests.e2e.local.test_5_availability import test_power_cut

pytestmark = pytest.mark.long

__all__ = ["test_power_cut"]
