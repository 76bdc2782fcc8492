"""Existing hosts: reached by SSH, inspected before anything changes, and cleaned if they are removed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi
import pulumi_command as command

from components.config import Page
from components.config.existing import ExistingSection
from components.config.nodes import Node
from components.config.ssh import Ssh
from components.machines.base import Machine, Machines
from components.machines.connection import shell_prefix
from components.machines.needs import needs_of, traits_of
from components.machines.preflight import Inspection, Target
from components.machines.ssh import Access, Route
from components.node.model import ROOT
from components.topology import Topology

_ATTEMPTS = 4
"""Attempts to connect to a host: it exists, so if it does not answer, that is a mistake and not a boot."""
_PREFLIGHT = "python3 components/machines/preflight.py"


@dataclass(frozen=True)
class ExistingMachinesArgs:
    """The page, its section `machines`, the topology, and the private key (None: the SSH agent has it)."""

    page: Page
    hosts: ExistingSection
    topology: Topology
    private_key: str | None = field(repr=False)


class ExistingMachines(pulumi.ComponentResource):
    """The hosts of the page. The preflight inspects all hosts; no host is changed before all hosts are fit."""

    machines: Machines

    def __init__(self, name: str, args: ExistingMachinesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:machines:ExistingMachines", name, {}, opts)
        self._args = args
        hosts, artifacts = args.hosts, args.page.artifacts
        self._become = "" if hosts.user == "root" else "sudo -n "
        preflight = command.local.Command(
            f"{name}-preflight",
            # The command runs again if its input changes: another host, another role, another key.
            create=_PREFLIGHT,
            stdin=pulumi.Output.secret(self._inspection().to_json()),
            # Notes about hosts for which nothing changes. Findings end in the error.
            logging=command.local.Logging.STDOUT,
            # What the last inspection found fit: components/machines/inspected.py.
            add_previous_output_in_env=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.machines = Machines(
            by_name={node.name: self._machine(node) for node in args.page.nodes},
            mirror=artifacts.mirror or "",
            registry_mirrors={},
            traits=traits_of(hosts),
            ready=[preflight],
        )
        self.register_outputs({"hosts": {node.name: _host(node) for node in args.page.nodes}})

    def _inspection(self) -> Inspection:
        page, hosts, topology = self._args.page, self._args.hosts, self._args.topology
        return Inspection(
            targets=tuple(
                Target(node.name, self._route(node), needs_of(page, hosts, topology, topology.node(node.name)))
                for node in page.nodes
            ),
            bastion=self._bastion(),
            private_key=self._args.private_key,
        )

    def _machine(self, node: Node) -> Machine:
        hosts, access = self._args.hosts, self._access(node)
        key_file = ["-i", hosts.private_key_file] if hosts.private_key_file else []
        script = f"{ROOT}/current/remove.sh"
        data = " --data" if hosts.remove_data else ""
        return Machine(
            node.name,
            access,
            resource=None,
            # A reinstalled host has another key.
            identity=_ssh(node).host_key,
            become=self._become,
            shell_prefix=shell_prefix(access, "-p", str(_ssh(node).port), *key_file),
            over_ssh=True,
            installs_packages=hosts.packages == "install",
            removal=f"{self._become}sh -c 'test ! -e {script} || exec sh {script}{data} --node {node.name}'",
        )

    def _access(self, node: Node) -> Access:
        key = self._args.private_key
        secret = pulumi.Output.secret(key) if key else None
        return Access(self._route(node), self._bastion(), secret, _ATTEMPTS)

    def _route(self, node: Node) -> Route:
        return Route(_host(node), _ssh(node).port, self._args.hosts.user, _ssh(node).host_key)

    def _bastion(self) -> Route | None:
        bastion = self._args.hosts.bastion
        return Route(bastion.host, bastion.port, bastion.user, bastion.host_key) if bastion else None


def _ssh(node: Node) -> Ssh:
    # The rules of the page require it.
    assert node.ssh is not None, node.name
    return node.ssh


def _host(node: Node) -> str:
    return _ssh(node).host or node.address or ""
