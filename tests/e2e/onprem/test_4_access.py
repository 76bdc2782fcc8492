"""Access: the same tests as on local machines."""

import pytest

from tests.e2e.local.test_3_access import *  # noqa: F403

pytestmark = pytest.mark.long
