"""The choice of the provider's site, and what the program needs before it makes anything."""

from __future__ import annotations

import pulumi

from components.artifacts.choice import choose_lock
from components.artifacts.lock import Lock, LockError
from components.config import ConfigError, Page
from components.config.aws import AwsSection
from components.config.existing import ExistingSection
from components.machines.aws_site import AwsSite
from components.machines.base import Machines
from components.machines.existing_site import ExistingSite, existing_site
from components.machines.host_facts import HostFactsError
from components.machines.local_network import LocalNetworkError
from components.machines.local_site import LocalSite, local_site
from components.topology import Topology


class Site:
    """The topology of the page, the machines, and the lock of programs and images.

    If something is wrong, then pulumi.RunError ends the program with one sentence.
    """

    lock: Lock
    topology: Topology

    def __init__(self, page: Page, stack: str) -> None:
        try:
            self.lock = choose_lock(page)
            self._place = _place(page, stack)
            self.topology = self._place.topology(page)
        except (LockError, LocalNetworkError, HostFactsError, ConfigError) as error:
            raise pulumi.RunError(str(error)) from error

    def make_machines(self) -> Machines:
        """The machines. If the provider makes machines, then they are resources of the stack."""
        return self._place.make_machines(self.topology)


def _place(page: Page, stack: str) -> LocalSite | ExistingSite | AwsSite:
    if isinstance(page.machines, ExistingSection):
        return existing_site(page, page.machines)
    if isinstance(page.machines, AwsSection):
        return AwsSite(page, page.machines, stack)
    return local_site(page, page.machines, stack)
