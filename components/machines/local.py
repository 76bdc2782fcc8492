"""Machines that are containers on this host: systemd inside, SSH from outside, like any other machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_tls as tls

from components.machines.base import Machine, Machines
from components.machines.gateway import API_PORT, REGISTRIES, REGISTRY_PORT, UNITS, gateway_files
from components.machines.host_facts import HostFacts
from components.machines.lab import Lab
from components.node.payload import Entry, pack
from components.node.traits import Traits
from components.topology import NodePlan, Topology

_SCRIPT = "components/machines/local.sh"
_DIALS = 24
"""Attempts to reach a machine that boots: they are 0.1 to 5 s apart, and end after 80 s where nobody listens."""


@dataclass(frozen=True)
class LocalMachinesArgs:
    """The nodes to make machines for, where they live on this host, and what `make tools` prepared."""

    topology: Topology
    lab: Lab
    facts: HostFacts


class LocalMachines(pulumi.ComponentResource):
    """A network, a gateway (mirror, registry, load balancer), and a machine for each node.

    The network leads nowhere else, unless there is no mirror and machines fetch from upstream.
    """

    machines: Machines

    def __init__(self, name: str, args: LocalMachinesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:machines:LocalMachines", name, {}, opts)
        self._args = args
        lab = args.lab
        self._ssh = tls.PrivateKey(f"{name}-ssh", algorithm="ED25519", opts=pulumi.ResourceOptions(parent=self))
        gateway = lab.gateway
        self._network = command.local.Command(
            f"{name}-network",
            create=_call("network", lab.name, lab.subnet, gateway.rpartition(".")[0] + ".1"),
            delete=_call("remove-network", lab.name, lab.subnet),
            update=":",
            environment={"ENGINE": shlex.join(args.facts.engine)},
            triggers=[lab.name, lab.subnet],
            logging=command.local.Logging.NONE,
            opts=pulumi.ResourceOptions(parent=self),
        )
        front = self._gateway(gateway)
        mirrored = args.facts.mirror is not None
        self.machines = Machines(
            by_name={node.name: self._machine(node) for node in args.topology.nodes},
            mirror=f"http://{gateway}" if mirrored else "",
            registry_mirrors=dict.fromkeys(REGISTRIES, f"http://{gateway}:{REGISTRY_PORT}") if mirrored else {},
            traits=Traits(container=True),
            ready=[front],
        )
        self.register_outputs({"network": lab.subnet})

    def _gateway(self, address: str) -> pulumi.Resource:
        lab, facts = self._args.lab, self._args.facts
        return self._container(
            "gateway",
            address,
            f"{lab.port_base}:{API_PORT}",
            pulumi.Output.from_input(pack(gateway_files(self._args.topology, facts))),
            mirror=facts.mirror or "",
            update=_call("files", lab.name, "gateway"),
        )

    def _machine(self, node: NodePlan) -> Machine:
        lab, facts = self._args.lab, self._args.facts
        port = lab.ssh_port(node.name)
        host_key = tls.PrivateKey(
            f"{node.name}-ssh-host", algorithm="ED25519", opts=pulumi.ResourceOptions(parent=self)
        )
        files = pulumi.Output.all(host=host_key.private_key_openssh, user=self._ssh.public_key_openssh).apply(
            lambda keys: pack(machine_files(keys["host"], keys["user"], facts))
        )
        container = self._container(node.name, node.address, f"{port}:22", files, mirror="", update=":")
        connection = command.remote.ConnectionArgs(
            host="127.0.0.1",
            port=port,
            user="root",
            private_key=self._ssh.private_key_openssh,
            host_key=host_key.public_key_openssh,
            dial_error_limit=_DIALS,
            per_dial_timeout=10,
        )
        shell = f"{shlex.join(facts.engine)} exec {lab.name}-{node.name} sh -c"
        return Machine(node.name, connection, container, container.id, shell_prefix=shell)

    def _container(
        self, name: str, address: str, ports: str, files: pulumi.Output[str], *, mirror: str, update: str
    ) -> command.local.Command:
        lab, facts = self._args.lab, self._args.facts
        return command.local.Command(
            f"{name}-machine",
            create=_call("machine", lab.name, name, address, ports),
            # A machine that exists keeps its image and its keys; `pulumi up --replace` makes a new one.
            update=update,
            delete=_call("remove-machine", lab.name, name),
            environment={
                "ENGINE": shlex.join(facts.engine),
                "IMAGE": facts.node_image,
                "MIRROR": mirror,
                "RELOAD": " ".join(UNITS[:1]),
            },
            stdin=pulumi.Output.secret(files),
            triggers=[lab.name, address, ports],
            logging=command.local.Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._network], delete_before_replace=True),
        )


def machine_files(host_key: str, user_key: str, facts: HostFacts) -> tuple[Entry, ...]:
    """Files of a machine before its first boot: its private host key and the public key that it lets in, OpenSSH's.

    Where there is no mirror the image's boot script leaves it the way to upstream.
    """
    return (
        Entry("etc/ssh/ssh_host_ed25519_key", host_key, 0o600),
        Entry("root/.ssh/authorized_keys", user_key, 0o600),
        *([] if facts.mirror else [Entry("etc/hardway/connected", "")]),
    )


def _call(*arguments: str) -> str:
    """Providers run in the project's folder, so a relative path does; a failing command is printed whole.

    The script looks after its parent, which with `exec` is the provider.
    """
    return f"exec sh {_SCRIPT} {shlex.join(arguments)}"
