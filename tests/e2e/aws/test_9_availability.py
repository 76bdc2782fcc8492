"""The control plane without one of its zones, and a power cut: the same tests as on local machines."""

from tests.e2e.local.test_5_availability import (
    credentials,
    test_control_plane_machine_dies_and_comes_back,
    test_power_cut,
)

__all__ = ["credentials", "test_control_plane_machine_dies_and_comes_back", "test_power_cut"]
