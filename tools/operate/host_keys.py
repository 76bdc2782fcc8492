"""Prints the public host keys of the hosts of a stack. A person compares them and puts them on the page.

Usually the keys are still missing on the page, so the page cannot pass the rules of the program. Therefore this module
reads only the keys of the page that name a host.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.machines.ssh import arguments, pinned
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate import page

TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Types of keys, the best type first. The first type that a host has is printed."""
_SECONDS = 10


@dataclass(frozen=True)
class Server:
    """An SSH server on the page. `path` is the place of its host key on the page.

    `login` are the options of ssh for the private key and the user. `key` is the host key on the page, or None.
    """

    path: str
    name: str
    host: str
    port: int
    login: tuple[str, ...] = ()
    key: str | None = None


def run(clone: Clone, stack: str) -> int:
    """Print the keys. Returns 1 if a host did not answer. Raises ToolError if there is no host or no ssh program."""
    servers = list(servers_of(page.read(clone.page(stack))))
    if not servers:
        raise ToolError(f"{clone.page(stack).name} has no existing hosts")
    for program in ("ssh-keyscan", "ssh-keygen"):
        if shutil.which(program) is None:
            raise ToolError(f"{program} is not installed; on Debian: apt-get install openssh-client")
    print("# Compare each fingerprint with the output of this command on a console of the host before you use the key:")
    print("#   ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    bastion = next((server for server in servers if server.name == "bastion"), None)
    silent = 0
    for server in servers:
        behind = bastion if server is not bastion else None
        key, why = scan(server, behind)
        print(f"\n# {server.name}, {server.host}:{server.port}")
        if key is None:
            silent += 1
            print(f"#   no key: {why}")
        else:
            print(f"#   {_fingerprint(key)}\n{server.path}: {key}")
    return 1 if silent else 0


def servers_of(values: dict[str, Any]) -> Iterator[Server]:
    """The servers on a page: the bastion, and each node with an address."""
    machines = page.section(values, "machines") or {}
    if machines.get("provider") != "existing":
        return
    bastion = machines.get("bastion") or {}
    if bastion.get("host"):
        file = machines.get("privateKeyFile")
        login = [*(["-i", file] if file else []), "-l", bastion.get("user", "root")]
        port, key = bastion.get("port", 22), bastion.get("hostKey")
        yield Server("machines.bastion.hostKey", "bastion", bastion["host"], port, tuple(login), key)
    for index, node in enumerate(page.section(values, "nodes") or []):
        ssh = node.get("ssh") or {}
        host = ssh.get("host") or node.get("address")
        if host:
            yield Server(f"nodes[{index}].ssh.hostKey", node.get("name", "?"), host, ssh.get("port", 22))


def scan(server: Server, bastion: Server | None) -> tuple[str | None, str]:
    """The best key of a server as `TYPE BASE64`, or None and the reason.

    For a server behind a bastion, ssh-keyscan runs on the bastion. The host key of the bastion has to be the key on the
    page. If the page has no key of the bastion, then ssh verifies the bastion with the user's `known_hosts`.
    """
    asking = ["ssh-keyscan", "-T", str(_SECONDS), "-p", str(server.port), server.host]
    with TemporaryDirectory(prefix="hardway-") as folder:
        if bastion is not None:
            asking = [
                "ssh",
                "-p",
                str(bastion.port),
                *_believing(bastion, folder),
                *bastion.login,
                bastion.host,
                *asking,
            ]
        try:
            done = subprocess.run(asking, capture_output=True, text=True, timeout=3 * _SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return None, f"no answer within {3 * _SECONDS} s"
    if "Host key verification failed" in done.stderr:
        return None, "the host key of the bastion differs from the key on the page or in your known_hosts"
    return best(done.stdout), (done.stderr.strip().splitlines() or ["the host has no key of an allowed type"])[-1]


def _believing(bastion: Server, folder: str) -> list[str]:
    """Options of ssh that allow only the host key of the page."""
    if bastion.key is None:
        return []
    return arguments(pinned("bastion", bastion.key, Path(folder)))


def best(text: str) -> str | None:
    """The best key in the output of ssh-keyscan, or None."""
    found = {kind: key for line in text.splitlines() if len(words := line.split()) == 3 for _, kind, key in [words]}
    return next((f"{kind} {found[kind]}" for kind in TYPES if kind in found), None)


def _fingerprint(key: str) -> str:
    done = subprocess.run(["ssh-keygen", "-lf", "-"], input=key, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no fingerprint"
