"""Connections to a machine: for Pulumi's remote commands, and as a command line for operators."""

from __future__ import annotations

import shlex
from typing import TypedDict

import pulumi
import pulumi_command as command

from components.machines.ssh import Access, Route


class _Server(TypedDict):
    host: pulumi.Input[str]
    port: int
    user: str
    private_key: pulumi.Input[str] | None
    host_key: pulumi.Input[str]
    dial_error_limit: int
    per_dial_timeout: int


def connection(access: Access) -> command.remote.ConnectionArgs:
    """The connection of a remote command."""
    proxy = command.remote.ProxyConnectionArgs(**_server(access, access.bastion)) if access.bastion else None
    return command.remote.ConnectionArgs(**_server(access, access.route), proxy=proxy)


def _server(access: Access, route: Route) -> _Server:
    return {
        "host": route.host,
        "port": route.port,
        "user": route.user,
        "private_key": access.private_key,
        "host_key": route.host_key,
        "dial_error_limit": access.attempts,
        "per_dial_timeout": access.connect_seconds,
    }


def shell_prefix(access: Access, *options: str) -> pulumi.Output[str]:
    """OpenSSH's client with the operator's own configuration and known hosts, and with further `options`."""
    bastion, route = access.bastion, access.route
    jump: list[pulumi.Input[str]] = []
    if bastion:
        jump = ["-J", pulumi.Output.concat(f"{bastion.user}@", bastion.host, f":{bastion.port}")]
    login = pulumi.Output.concat(f"{route.user}@", route.host)
    return pulumi.Output.all("ssh", *options, *jump, login).apply(shlex.join)
