"""Names of others on a terminal and in commands.

RBAC accepts every name of a binding that is one segment of a path (ValidateRBACName in
k8s.io/kubernetes/pkg/apis/rbac/validation), and every text as the name of a user or group. Whoever may make a binding
in one namespace chooses such names; an administrator reads them, and copies commands with them.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[^\s'\"`,;]+")
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def shown(name: str) -> str:
    """A name in a table or in a sentence: quoted and without control characters, if it is more than one word."""
    return name if _PLAIN.fullmatch(name) and name.isprintable() else repr(name)


def argument(name: str) -> str:
    """A name as one word of a command line of bash or zsh, also after a paste. The shell runs nothing in the name."""
    if _SAFE.fullmatch(name):
        return name
    if name.isascii() and name.isprintable():
        return "'" + name.replace("'", "'\\''") + "'"
    # ANSI-C quoting, so that what the command names is on the screen.
    octets = "".join(chr(octet) if _is_plain(octet) else f"\\{octet:03o}" for octet in name.encode())
    return f"$'{octets}'"


def deletion(kind: str, name: str, namespace: str = "") -> str:
    """The command of kubectl that deletes an object. No name is read as an option."""
    place = f" --namespace {namespace}" if namespace else ""
    if name.startswith("-"):
        return f"kubectl delete {kind}{place} -- {argument(name)}"
    return f"kubectl delete {kind} {argument(name)}{place}"


def _is_plain(octet: int) -> bool:
    return 32 <= octet < 127 and chr(octet) not in "'\\"
