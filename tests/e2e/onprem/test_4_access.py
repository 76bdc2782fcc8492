"""Access: the same tests as on local machines."""

from tests.e2e.local.test_3_access import *  # noqa: F403
