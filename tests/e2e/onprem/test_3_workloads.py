"""Workloads: the same tests as on local machines."""

from tests.e2e.local.test_2_workloads import *  # noqa: F403
