"""SSH: users, host keys, and the SSH server of a node."""

import base64
import binascii
import re
from typing import Annotated

from components.config.names import Port, San
from components.config.section import Rule, Section

KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
# Names that useradd(8) of Debian accepts and that need no quotes.
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")


def _host_key_problem(value: str) -> str | None:
    kind, _, text = value.partition(" ")
    if kind not in KEY_TYPES:
        return "is not a host key"
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return "is not a host key"
    # RFC 4253, 6.6: the blob begins with the name of its type.
    length = int.from_bytes(blob[:4], "big")
    return None if len(blob) > 4 + length and blob[4 : 4 + length] == kind.encode() else "is not a host key"


HostKey = Annotated[
    str,
    Rule("host key", f"TYPE BASE64 without comment, TYPE one of {', '.join(KEY_TYPES)}", _host_key_problem),
]
UserName = Annotated[
    str,
    Rule(
        "user name",
        "at most 32 lower case letters, digits and _ . -, beginning with a letter or _",
        lambda value: None if _USER.fullmatch(value) else "is not a user name",
    ),
]


class Ssh(Section):
    """How to reach the SSH server of one node."""

    host: San | None = None
    """Name or address for SSH, as the bastion (or the operator's machine) sees it. Unset: the node's address."""
    port: Port = 22
    """Port of the SSH server."""
    host_key: HostKey
    """Public host key. SSH connects to no server with another key. `make host-keys` prints the key for review."""
