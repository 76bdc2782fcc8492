"""`hardway:machines` with the provider `existing`: existing hosts, reached by SSH."""

import base64
import binascii
import re
from typing import Annotated, ClassVar, Literal

from components.config.machines import MachinesSection, Vip
from components.config.names import Port, San
from components.config.section import Choice, Rule, Section
from components.config.ssh import HostKey, UserName


def _key_problem(value: str) -> str | None:
    lines = value.strip().splitlines()
    if len(lines) < 3 or not lines[0].startswith("-----BEGIN ") or not lines[-1].startswith("-----END "):
        return "is not a private key"
    try:
        base64.b64decode("".join(line for line in lines[1:-1] if ":" not in line), validate=True)
    except binascii.Error:
        return "is not a private key"
    return "is protected by a passphrase" if "ENCRYPTED" in value else None


def _file_problem(value: str) -> str | None:
    fits = value.startswith(("/", "~/", "./")) and not re.search(r"[\x00-\x1f\x7f]", value)
    return None if fits else "is not a path"


PrivateKey = Annotated[
    str,
    Rule("private key", "the text of a private key in PEM form, without a passphrase", _key_problem, private=True),
]
PrivateKeyFile = Annotated[
    str, Rule("path", "a path on the operator's machine that begins with /, ~/ or ./, such as ~/.ssh/id", _file_problem)
]
Flag = Annotated[bool, Rule("true or false", "true or false", accepts=(bool,))]


class Bastion(Section):
    """The host through which SSH connections to all other hosts go."""

    host: San
    """Name or address of the bastion, as the operator's machine sees it."""
    port: Port = 22
    """Port of its SSH server."""
    user: UserName = "root"
    """User on the bastion. The user needs only the right to forward connections."""
    host_key: HostKey
    """Public host key of the bastion. `make host-keys` prints it for review."""


class Endpoint(Section):
    """Where people reach the API through your own load balancer or DNS name."""

    host: San
    """Name or address of the API. It is in the certificates of all API servers."""
    port: Port = 6443
    """Port of the API at that name."""


class ExistingSection(MachinesSection):
    """Existing hosts: Debian, Ubuntu or another Linux with systemd and an SSH server."""

    takes_ssh: ClassVar[bool] = True

    provider: Literal["existing"] = "existing"
    """Who makes the machines."""
    user: UserName = "root"
    """User on every host. A user other than root needs `sudo` without a password."""
    private_key_file: PrivateKeyFile | None = None
    """File with that user's private key. With neither this nor `privateKey`, the operator's SSH agent has the key."""
    private_key: PrivateKey | None = None
    """The private key itself, as a secret: `pulumi config set --path --secret 'hardway:machines.privateKey'`."""
    bastion: Bastion | None = None
    """The host through which SSH connections to all other hosts go. Unset: SSH connects to the hosts directly."""
    endpoint: Endpoint | None = None
    """Where people reach the API. Unset: at the virtual address, or at the only control-plane node."""
    vip: Vip | None = None
    """A virtual address for the API. Unset: none."""
    swap: Annotated[Literal["refuse", "disable"], Choice()] = "refuse"
    """If swap is on: `refuse` stops before anything is changed, `disable` turns swap off at once and at every boot."""
    packages: Annotated[Literal["install", "refuse"], Choice()] = "install"
    """If a host lacks programs: `install` their packages from Debian or Ubuntu, or `refuse` the host."""
    remove_data: Flag = False
    """Whether a host that is removed from the stack loses its data too: the data of etcd, kubelet and containerd."""
    containers: Flag = False
    """The hosts are containers that boot systemd (LXC, podman), which cannot set kernel, swap and limits."""

    @property
    def virtual_address(self) -> Vip | None:
        """The virtual address of the page."""
        return self.vip
