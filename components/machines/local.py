"""Machines that are containers on this host. They run systemd and are reached by SSH, like any other machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_tls as tls

from components.config.generations import Generations
from components.machines.base import Machine, Machines
from components.machines.gateway import API_PORT, REGISTRIES, UNITS, gateway_files
from components.machines.host_facts import HostFacts
from components.machines.local_network import LocalNetwork
from components.machines.login import authorize, make_login_keys
from components.machines.mirror_server import REGISTRY_PORT
from components.machines.ssh import Access, Route
from components.node.payload import Entry, pack
from components.node.traits import Traits
from components.resource_names import GATEWAY, NodeResource
from components.topology import NodePlan, Topology

_SCRIPT = "components/machines/local.sh"
_ATTEMPTS = 24
"""Attempts to connect to a machine that boots. They are 0.1 to 5 s apart and end after 80 s if nothing listens."""


@dataclass(frozen=True)
class LocalMachinesArgs:
    """The nodes that need machines, their local network, what `make tools` prepared, generations of the login key."""

    topology: Topology
    network: LocalNetwork
    facts: HostFacts
    login: Generations


class LocalMachines(pulumi.ComponentResource):
    """A closed network, a gateway (mirror, registry, load balancer), and a machine for each node."""

    machines: Machines

    def __init__(self, name: str, args: LocalMachinesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:machines:LocalMachines", name, {}, opts)
        self._args = args
        network = args.network
        self._login = make_login_keys(f"{name}-ssh", args.login, pulumi.ResourceOptions(parent=self))
        gateway = network.gateway
        self._network = command.local.Command(
            f"{name}-network",
            create=_call("network", network.name, network.subnet, gateway.rpartition(".")[0] + ".1"),
            delete=_call("remove-network", network.name, network.subnet),
            update=":",
            environment={"ENGINE": shlex.join(args.facts.engine)},
            triggers=[network.name, network.subnet],
            logging=command.local.Logging.NONE,
            opts=pulumi.ResourceOptions(parent=self),
        )
        front = self._gateway(gateway)
        self._authorized: list[pulumi.Resource] = []
        self.machines = Machines(
            by_name={node.name: self._machine(node) for node in args.topology.nodes},
            mirror=f"http://{gateway}",
            registry_mirrors=dict.fromkeys(REGISTRIES, f"http://{gateway}:{REGISTRY_PORT}"),
            traits=Traits(container=True),
            ready=[front],
            authorized=self._authorized,
        )
        self.register_outputs({"network": network.subnet})

    def _gateway(self, address: str) -> pulumi.Resource:
        network, facts = self._args.network, self._args.facts
        return self._container(
            GATEWAY,
            address,
            f"{network.port_base}:{API_PORT}",
            pulumi.Output.from_input(pack(gateway_files(self._args.topology))),
            mirror=facts.mirror,
            update=_call("files", network.name, GATEWAY),
            reload=" ".join(UNITS),
        )

    def _machine(self, node: NodePlan) -> Machine:
        network, facts = self._args.network, self._args.facts
        port = network.ssh_port(node.name)
        host_key = tls.PrivateKey(
            NodeResource.SSH_HOST_KEY.name_for(node.name), algorithm="ED25519", opts=pulumi.ResourceOptions(parent=self)
        )
        files = pulumi.Output.all(host=host_key.private_key_openssh, user=self._login.authorized_keys).apply(
            lambda keys: pack(machine_files(keys["host"], keys["user"]))
        )
        container = self._container(node.name, node.address, f"{port}:22", files, mirror="", update=":")
        route = Route("127.0.0.1", port, "root", host_key.public_key_openssh)
        access = Access(route, None, self._login.private_key, _ATTEMPTS)
        self._authorized += authorize(self._login, node.name, access, container, pulumi.ResourceOptions(parent=self))
        # As ssh does, it passes standard input on.
        shell = f"{shlex.join(facts.engine)} exec --interactive {network.name}-{node.name} sh -c"
        return Machine(node.name, access, container, container.id, shell_prefix=shell)

    def _container(
        self,
        name: str,
        address: str,
        ports: str,
        files: pulumi.Output[str],
        *,
        mirror: str,
        update: str,
        # Another value would be a change of every machine.
        reload: str = UNITS[0],
    ) -> command.local.Command:
        network, facts = self._args.network, self._args.facts
        secret: pulumi.Output[str] = pulumi.Output.secret(files)
        return command.local.Command(
            NodeResource.MACHINE.name_for(name),
            create=_call("machine", network.name, name, address, ports),
            # A machine that exists keeps its image and its keys; `pulumi up --replace` makes a new one.
            update=update,
            delete=_call("remove-machine", network.name, name),
            environment={
                "ENGINE": shlex.join(facts.engine),
                "IMAGE": facts.node_image,
                "MIRROR": mirror,
                "RELOAD": reload,
            },
            stdin=secret,
            triggers=[network.name, address, ports],
            logging=command.local.Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._network], delete_before_replace=True),
        )


def machine_files(host_key: str, user_keys: str) -> tuple[Entry, ...]:
    """Files of a machine before its first boot: its private host key and the public keys that may log in (OpenSSH)."""
    return (
        Entry("etc/ssh/ssh_host_ed25519_key", host_key, 0o600),
        Entry("root/.ssh/authorized_keys", user_keys, 0o600),
    )


def _call(*arguments: str) -> str:
    """The command line of local.sh. Providers run in the project's folder, so the path is relative.

    The path is short since a failing command is printed whole. `exec` makes the provider the parent of the script,
    which the script checks.
    """
    return f"exec sh {_SCRIPT} {shlex.join(arguments)}"
