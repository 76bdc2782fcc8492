"""What is encrypted, refused, and signed by whom, as on local machines."""

from tests.e2e.local.test_4_security import *  # noqa: F403
