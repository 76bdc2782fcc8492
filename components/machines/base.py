"""What a machine is to the rest of the program, whoever provides it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command

from components.node.traits import Traits


@dataclass(frozen=True)
class Machine:
    """A machine with an address, reached by SSH.

    Whatever is done on it ends with `resource`: its commands are deleted and replaced with that. `become` is put
    before a command that needs root: empty, or `sudo -n `.
    """

    name: str
    connection: command.remote.ConnectionArgs
    resource: pulumi.Resource
    become: str = ""
    shell_prefix: str = ""
    """What an operator puts before a quoted script to have it run on the machine."""

    def shell(self, script: str) -> pulumi.Output[str]:
        """A command line for the operator's shell that runs a POSIX script on the machine."""
        return pulumi.Output.from_input(f"{self.shell_prefix} {shlex.quote(script)}")


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
    """What has to be there before a machine can fetch anything, and before the API's endpoint answers."""
