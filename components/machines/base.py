"""Machines as the rest of the program sees them, independent of the provider."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_command as command

from components.machines.connection import connection
from components.machines.ssh import Access
from components.node.traits import Traits


@dataclass(frozen=True)
class Machine:
    """A machine with an address, reached by SSH.

    The commands on a machine are deleted and replaced together with `resource`. An existing host has no resource, so
    everything that was installed on the host has to be removed with `removal`. `become` is put before a command that
    needs root: empty, or `sudo -n `.
    """

    name: str
    access: Access
    resource: pulumi.Resource | None
    identity: pulumi.Input[str]
    """Changes if the data on the machine is lost: if the machine, or the volume of etcd, is replaced."""
    become: str = ""
    shell_prefix: pulumi.Input[str] = ""
    """What an operator puts before a quoted script to run that script on the machine."""
    over_ssh: bool = False
    """Whether `shell_prefix` runs the login shell of a user, who need not be root."""
    installs_packages: bool = False
    """Whether programs that the operating system lacks are installed."""
    removal: str = ""
    """Command line that removes everything that hardway installed from the machine."""
    after: tuple[pulumi.Resource, ...] = ()
    """Resources that have to exist before the first command on the machine."""
    wait: pulumi.Input[str] = ""
    """POSIX command that ends once the machine is ready for a release. It runs as root and has no single quotes."""

    @property
    def connection(self) -> command.remote.ConnectionArgs:
        """The connection of Pulumi's remote commands to the machine."""
        return connection(self.access)

    def shell(self, script: str) -> pulumi.Output[str]:
        """A command line for the operator's shell that runs a POSIX script on the machine, as root.

        The script gets the standard input of the command line.
        """
        line = f"{self.become}sh -c {shlex.quote(script)}" if self.over_ssh else script
        return pulumi.Output.concat(self.shell_prefix, " ", shlex.quote(line))


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer before the API servers. Its own name, `host`, is known only after it is created.

    `named`: people reach the load balancer by the name of the topology's endpoint. Otherwise they use `host` as well.
    """

    host: pulumi.Input[str]
    named: bool
    ready: Sequence[pulumi.Resource] = ()
    """Resources that have to exist before the load balancer answers."""


@dataclass(frozen=True)
class Machines:
    """The machines of a stack by node name, and the sources of their files and images.

    `mirror` is the base URL of the artifact mirror (empty if artifacts come from upstream), `registry_mirrors` maps a
    registry host to the URL that is tried first: mirrors that the program makes, in the closed network of the machines.
    """

    by_name: Mapping[str, Machine]
    mirror: str
    registry_mirrors: Mapping[str, str]
    traits: Traits
    ready: Sequence[pulumi.Resource] = ()
    """Resources that have to exist before the first command on a machine and before the API's endpoint answers."""
    authorized: Sequence[pulumi.Resource] = ()
    """The commands that complete a step of the rotation of the program's SSH key."""
    load_balancer: LoadBalancer | None = None
    """The load balancer, if the provider makes one. Unset: the API is at the endpoint of the topology."""
    bucket: str = ""
    """The name of the bucket for snapshots of etcd, if the provider gives members rights on one."""
    outputs: Mapping[str, pulumi.Input[object]] = field(default_factory=dict)
    """Values of the provider for the stack's outputs."""
