"""Prints the public host keys of a stack's hosts, for a person to compare and put on the page.

The page is read by the project's own rules as far as that goes: hosts whose keys are still missing are the usual case,
so only the places that name a host are looked at.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.errors import ToolError
from tools.paths import Clone

TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Best first: the first that a host has is the one to take."""
_SECONDS = 10
# The page is YAML, which the standard library cannot read; the environment of the project can.
_READ = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"


@dataclass(frozen=True)
class Server:
    """An SSH server of the page; `path` is where its key belongs.

    `login` opens it: options of ssh and the user. `key` is what the page believes already (None: nothing).
    """

    path: str
    name: str
    host: str
    port: int
    login: tuple[str, ...] = ()
    key: str | None = None


def run(clone: Clone, stack: str) -> int:
    """Print the keys; returns 1 when a host did not answer. Raises ToolError when there is nothing to ask."""
    servers = list(servers_of(_page(clone, stack)))
    if not servers:
        raise ToolError(f"{clone.page(stack).name} has no existing hosts")
    for program in ("ssh-keyscan", "ssh-keygen"):
        if shutil.which(program) is None:
            raise ToolError(f"{program} is not there; on Debian: apt-get install openssh-client")
    print("# Compare each fingerprint with what a console of the host says before you believe it:")
    print("#   ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    bastion = next((server for server in servers if server.name == "bastion"), None)
    silent = 0
    for server in servers:
        behind = bastion if server is not bastion else None
        key, why = scan(server, behind)
        print(f"\n# {server.name}, {server.host}:{server.port}")
        if key is None:
            silent += 1
            print(f"#   no answer: {why}")
        else:
            print(f"#   {_fingerprint(key)}\n{server.path}: {key}")
    return 1 if silent else 0


def servers_of(page: dict[str, object]) -> Iterator[Server]:
    """The servers that a page names: the bastion, and each node with an address."""
    config = page.get("config") or {}
    assert isinstance(config, dict)
    machines = config.get("hardway:machines") or {}
    if machines.get("provider") != "existing":
        return
    bastion = machines.get("bastion") or {}
    if bastion.get("host"):
        file = machines.get("privateKeyFile")
        login = [*(["-i", file] if file else []), "-l", bastion.get("user", "root")]
        port, key = bastion.get("port", 22), bastion.get("hostKey")
        yield Server("machines.bastion.hostKey", "bastion", bastion["host"], port, tuple(login), key)
    for index, node in enumerate(config.get("hardway:nodes") or []):
        ssh = node.get("ssh") or {}
        host = ssh.get("host") or node.get("address")
        if host:
            yield Server(f"nodes[{index}].ssh.hostKey", node.get("name", "?"), host, ssh.get("port", 22))


def scan(server: Server, bastion: Server | None) -> tuple[str | None, str]:
    """The best key of a server as `TYPE BASE64`, or None and why there is none.

    A server behind a bastion is asked by the bastion's own ssh-keyscan. The bastion itself has to have the key of the
    page; where there is none yet, it is a question of the known hosts of whoever runs this.
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
            return None, f"nothing within {3 * _SECONDS} s"
    if "Host key verification failed" in done.stderr:
        return None, "the bastion has another host key than the page, or your known hosts, say"
    return best(done.stdout), (done.stderr.strip().splitlines() or ["it has no key of a type that is allowed"])[-1]


def _believing(bastion: Server, folder: str) -> list[str]:
    """Options of ssh by which the key of the page counts and no other."""
    if bastion.key is None:
        return []
    known = Path(folder, "known")
    known.write_text(f"bastion {bastion.key}\n")
    options = ("HostKeyAlias=bastion", f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=none")
    algorithm = f"HostKeyAlgorithms={bastion.key.partition(' ')[0].replace('ssh-rsa', 'rsa-sha2-512,rsa-sha2-256')}"
    strict = "StrictHostKeyChecking=yes"
    return [word for option in (*options, algorithm, strict) for word in ("-o", option)]


def best(text: str) -> str | None:
    """The best key of what ssh-keyscan printed."""
    found = {kind: key for line in text.splitlines() if len(words := line.split()) == 3 for _, kind, key in [words]}
    return next((f"{kind} {found[kind]}" for kind in TYPES if kind in found), None)


def _fingerprint(key: str) -> str:
    done = subprocess.run(["ssh-keygen", "-lf", "-"], input=key, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no fingerprint"


def _page(clone: Clone, stack: str) -> dict[str, object]:
    path: Path = clone.page(stack)
    if not path.is_file():
        raise ToolError(f"there is no page {path.name}")
    python = str(clone.venv / "bin" / "python")
    done = subprocess.run([python, "-c", _READ, str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"{path.name} cannot be read: {done.stderr.strip().splitlines()[-1]}")
    page: dict[str, object] = json.loads(done.stdout)
    return page
