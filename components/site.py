"""What the program has to know about its surroundings before it makes anything, by machine provider."""

from __future__ import annotations

import pulumi

from components.artifacts.choice import choose_lock
from components.artifacts.lock import Lock, LockError
from components.config import ConfigError, Page
from components.config.aws import AwsMachines
from components.config.existing import ExistingMachines
from components.machines.aws_site import AwsSite
from components.machines.base import Machines
from components.machines.existing_site import ExistingSite, existing_site
from components.machines.host_facts import HostFactsError
from components.machines.lab import LabError
from components.machines.local_site import LocalSite, local_site
from components.topology import Topology


class Site:
    """The machines' place, and the lock of what is put on them.

    Everything that is wrong here ends the program with one sentence.
    """

    lock: Lock
    topology: Topology

    def __init__(self, page: Page, stack: str) -> None:
        try:
            self.lock = choose_lock(page)
            self._place = _place(page, stack)
            self.topology = self._place.topology(page)
        except (LockError, LabError, HostFactsError, ConfigError) as error:
            raise pulumi.RunError(str(error)) from error

    def make_machines(self) -> Machines:
        """The machines, as resources of the stack where it makes them."""
        return self._place.make_machines(self.topology)


def _place(page: Page, stack: str) -> LocalSite | ExistingSite | AwsSite:
    if isinstance(page.machines, ExistingMachines):
        return existing_site(page, page.machines)
    if isinstance(page.machines, AwsMachines):
        return AwsSite(page, page.machines, stack)
    return local_site(page, page.machines, stack)
