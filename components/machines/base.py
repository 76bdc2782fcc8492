"""What a machine is to the rest of the program, whoever provides it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_command as command

from components.node.traits import Traits


@dataclass(frozen=True)
class Machine:
    """A machine with an address, reached by SSH.

    Whatever is done on it ends with `resource`: its commands are deleted and replaced with that. A machine that
    nobody made has none, and what was installed on it has to be removed with `removal`. `become` is put before a
    command that needs root: empty, or `sudo -n `.
    """

    name: str
    connection: command.remote.ConnectionArgs
    resource: pulumi.Resource | None
    identity: pulumi.Input[str]
    """Becomes another one when what lies on the machine is lost, that is when it (or etcd's volume) is made anew."""
    become: str = ""
    shell_prefix: pulumi.Input[str] = ""
    """What an operator puts before a quoted script to have it run on the machine."""
    over_ssh: bool = False
    """`shell_prefix` runs the login shell of a user who may not be root."""
    installs_packages: bool = False
    """Whether programs that the operating system lacks are installed."""
    removal: str = ""
    """Command line that takes everything of ours off the machine."""
    after: tuple[pulumi.Resource, ...] = ()
    """What has to be there before the machine is touched."""
    wait: str = ""
    """POSIX command that ends when the machine is ready for a release; run as root, without single quotes."""

    def shell(self, script: str) -> pulumi.Output[str]:
        """A command line for the operator's shell that runs a POSIX script on the machine, as root."""
        line = f"{self.become}sh -c {shlex.quote(script)}" if self.over_ssh else script
        return pulumi.Output.concat(self.shell_prefix, " ", shlex.quote(line))


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer before the API servers whose own name, `host`, is known only when it is made.

    `named`: the endpoint of the topology is a name that leads to it, for people. If not, they use `host` as well.
    """

    host: pulumi.Input[str]
    named: bool
    ready: Sequence[pulumi.Resource] = ()
    """What has to be there before it answers."""


@dataclass(frozen=True)
class Machines:
    """The machines of a stack by node name, and where their files and images come from.

    `mirror` is the base URL of the artifact mirror (empty where artifacts come from upstream), `registry_mirrors`
    maps a registry host to the URL asked first.
    """

    by_name: Mapping[str, Machine]
    mirror: str
    registry_mirrors: Mapping[str, str]
    traits: Traits
    ready: Sequence[pulumi.Resource] = ()
    """What has to be there before a machine is touched or fetches anything, and before the API's endpoint answers."""
    load_balancer: LoadBalancer | None = None
    """Where the provider makes one. Unset: the API is at the endpoint of the topology."""
    outputs: Mapping[str, pulumi.Input[object]] = field(default_factory=dict)
    """What a person has to know of the provider, for the stack's outputs."""
