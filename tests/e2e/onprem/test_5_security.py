"""Security: the same tests as on local machines."""

import pytest

from tests.e2e.local.test_4_security import *  # noqa: F403

pytestmark = pytest.mark.long
