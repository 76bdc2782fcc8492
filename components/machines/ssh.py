"""Routes to machines by SSH, and command lines of OpenSSH's client.

Pure and standard library only, since programs that run with any Python of the operator's machine use this module.
`connection.py` turns an `Access` into connections of Pulumi.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BASTION = "the-bastion"
_SILENT = "cannot be reached at"


@dataclass(frozen=True)
class Route:
    """An SSH server: host, port, the user who logs in, and the public host key (`TYPE BASE64`).

    All four are plain values, except that in a Pulumi program `host` and `host_key` may be outputs.
    """

    host: Any
    port: int
    user: str
    host_key: Any


@dataclass(frozen=True)
class Access:
    """Access to a machine: its SSH server, the bastion if there is one, and the private key for both.

    `private_key` is None if the SSH agent has it. A connection is attempted `attempts` times, each time for
    `connect_seconds` at most.
    """

    route: Route
    bastion: Route | None = None
    private_key: Any = field(default=None, repr=False)
    attempts: int = 1
    connect_seconds: int = 10


@dataclass(frozen=True)
class Refusal:
    """Why a machine was not reached. `name` names the machine, or the bastion if the bastion was the problem."""

    name: str
    problem: str

    @property
    def silent(self) -> bool:
        """Whether nothing answered, as after the death of the machine. A wrong key and a refused login are answers."""
        return self.problem.startswith(_SILENT)


def pinned(name: str, host_key: str, folder: Path) -> dict[str, str]:
    """OpenSSH's options that accept this host key only. The key is written to a file in `folder`."""
    known = folder / f"known-{name}"
    known.write_text(f"{name} {host_key}\n")
    kind = host_key.partition(" ")[0]
    return {
        "GlobalKnownHostsFile": "none",
        "HostKeyAlgorithms": "rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind,
        "HostKeyAlias": name,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known),
    }


def arguments(options: Mapping[str, str]) -> list[str]:
    """Options as arguments of OpenSSH's command line."""
    return [word for key, value in sorted(options.items()) for word in ("-o", f"{key}={value}")]


class Client:
    """OpenSSH's client, which trusts the page alone: no configuration and no known hosts of the user.

    `folder` holds the private key and the host keys while the client is used.
    """

    def __init__(self, folder: Path, bastion: Route | None, private_key: str | None) -> None:
        self._folder, self._bastion = folder, bastion
        self._key: list[str] = ["-o", "IdentityFile=none"]
        if private_key is not None:
            path = folder / "key"
            path.touch(0o600)
            path.write_text(private_key.rstrip("\n") + "\n")
            self._key = ["-i", str(path), "-o", "IdentitiesOnly=yes"]

    def command(self, name: str, route: Route, *rest: str) -> list[str]:
        """The command line that runs `rest` on a machine."""
        jump = []
        if self._bastion is not None:
            through = [*self._base(_BASTION, self._bastion), "-W", "[%h]:%p", "--", self._bastion.host]
            jump = ["-o", "ProxyCommand=" + shlex.join(through).replace("'[%h]:%p'", "[%h]:%p")]
        return [*self._base(name, route), *jump, "--", route.host, *rest]

    def _base(self, name: str, route: Route) -> list[str]:
        options = pinned(name, route.host_key, self._folder) | {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            # Only at level INFO does ssh print why the bastion does not reach a host.
            "LogLevel": "INFO",
            "ServerAliveInterval": "10",
            "UpdateHostKeys": "no",
        }
        return ["ssh", "-F", "none", "-T", *arguments(options), *self._key, "-p", str(route.port), "-l", route.user]


def refusal(name: str, route: Route, bastion: Route | None, code: int, stderr: str) -> Refusal:
    """Why nothing was run on a machine, from the standard error of ssh or sudo."""
    signs = [_BASTION, f"{bastion.user}@{bastion.host}: ", f"connect to host {bastion.host} "] if bastion else []
    if bastion and any(sign in stderr for sign in signs):
        route, name = bastion, f"bastion {bastion.host}"
    return Refusal(name, _problem(route, code, stderr))


def _problem(route: Route, code: int, stderr: str) -> str:
    last = next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), f"exit code {code}")
    where = f"{route.host}:{route.port}"
    if "Host key verification failed" in stderr or "no matching host key" in stderr or "host key is known" in stderr:
        kind = route.host_key.partition(" ")[0]
        return f"the SSH server at {where} has another host key than the page says ({kind})"
    if "Permission denied" in stderr:
        denied = next(line for line in stderr.splitlines() if "Permission denied" in line)
        return f"{route.user} cannot log in at {where}: {denied.rpartition(': ')[2].strip()}"
    if code == 255:  # ssh itself failed
        return f"{_SILENT} {where}: {_reason(stderr.splitlines(), last)}"
    if "sudo" in stderr:
        return f"{route.user} may not run commands as root without a password: {last}"
    return f"its commands end without an answer: {last}"


def _reason(lines: Iterable[str], last: str) -> str:
    found = [line for line in lines if "connect" in line or "Name or service" in line] or [last]
    reason = found[0].rpartition(": ")[2].strip()
    # For a host behind a bastion, ssh prints "Connection to UNKNOWN port 65535 timed out".
    return "Connection timed out" if "UNKNOWN" in reason and "timed out" in reason else reason
