"""Security: the same tests as on local machines."""

from tests.e2e.local.test_4_security import *  # noqa: F403
