"""Hosts that are there already: reached by SSH, looked at before anything changes, and cleaned when they leave."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

import pulumi
import pulumi_command as command

from components.config import Page
from components.config.existing import ExistingMachines as ExistingPage
from components.config.nodes import Node
from components.config.ssh import Ssh
from components.machines.base import Machine, Machines
from components.machines.needs import needs_of, traits_of
from components.machines.preflight import Inspection, Route, Target
from components.node.model import ROOT
from components.topology import Topology

_DIALS = 4
"""Attempts to reach a host; it is there already, so one that does not answer is a mistake and not a boot."""
_DIAL_SECONDS = 10
_PREFLIGHT = "python3 components/machines/preflight.py"


@dataclass(frozen=True)
class ExistingMachinesArgs:
    """The page, its section of the machines, the topology, and the private key (None: the SSH agent's)."""

    page: Page
    hosts: ExistingPage
    topology: Topology
    private_key: str | None = field(repr=False)


class ExistingMachines(pulumi.ComponentResource):
    """The hosts of the page. `preflight` looks at all of them; nothing is done to any before all are found fit."""

    machines: Machines

    def __init__(self, name: str, args: ExistingMachinesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:machines:ExistingMachines", name, {}, opts)
        self._args = args
        hosts, artifacts = args.hosts, args.page.artifacts
        self._become = "" if hosts.user == "root" else "sudo -n "
        preflight = command.local.Command(
            f"{name}-preflight",
            # It runs again when what it is told changes: another host, another role, another key.
            create=_PREFLIGHT,
            stdin=pulumi.Output.secret(self._inspection().to_json()),
            logging=command.local.Logging.NONE,
            add_previous_output_in_env=False,
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
        bastion = hosts.bastion
        return Inspection(
            targets=tuple(
                Target(
                    node.name,
                    Route(_host(node), _ssh(node).port, hosts.user, _ssh(node).host_key),
                    needs_of(page, hosts, topology, topology.node(node.name)),
                )
                for node in page.nodes
            ),
            bastion=Route(bastion.host, bastion.port, bastion.user, bastion.host_key) if bastion else None,
            private_key=self._args.private_key,
        )

    def _machine(self, node: Node) -> Machine:
        hosts = self._args.hosts
        script = f"{ROOT}/current/remove.sh"
        data = " --data" if hosts.remove_data else ""
        return Machine(
            node.name,
            self._connection(node),
            resource=None,
            # A host that is installed anew has another key.
            identity=_ssh(node).host_key,
            become=self._become,
            shell_prefix=self._shell(node),
            over_ssh=True,
            installs_packages=hosts.packages == "install",
            removal=f"{self._become}sh -c 'test ! -e {script} || exec sh {script}{data}'",
        )

    def _connection(self, node: Node) -> command.remote.ConnectionArgs:
        hosts, bastion = self._args.hosts, self._args.hosts.bastion
        key = pulumi.Output.secret(self._args.private_key) if self._args.private_key else None
        proxy = None
        if bastion:
            proxy = command.remote.ProxyConnectionArgs(
                host=bastion.host,
                port=bastion.port,
                user=bastion.user,
                private_key=key,
                host_key=bastion.host_key,
                dial_error_limit=_DIALS,
                per_dial_timeout=_DIAL_SECONDS,
            )
        return command.remote.ConnectionArgs(
            host=_host(node),
            port=_ssh(node).port,
            user=hosts.user,
            private_key=key,
            host_key=_ssh(node).host_key,
            proxy=proxy,
            dial_error_limit=_DIALS,
            per_dial_timeout=_DIAL_SECONDS,
        )

    def _shell(self, node: Node) -> str:
        """OpenSSH's client, with the operator's own configuration and known hosts."""
        hosts, bastion = self._args.hosts, self._args.hosts.bastion
        words = ["ssh", "-p", str(_ssh(node).port)]
        if hosts.private_key_file:
            words += ["-i", hosts.private_key_file]
        if bastion:
            words += ["-J", f"{bastion.user}@{bastion.host}:{bastion.port}"]
        return shlex.join([*words, f"{hosts.user}@{_host(node)}"])


def _ssh(node: Node) -> Ssh:
    # The rules of the page see to it that it is there.
    assert node.ssh is not None, node.name
    return node.ssh


def _host(node: Node) -> str:
    return _ssh(node).host or node.address or ""
