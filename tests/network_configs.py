"""Checks of configurations: nft and keepalived say what is wrong, and do nothing else.

Both ask the kernel, so each runs in a network of its own, which is gone afterwards.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from components.node.render.vip import INTERFACE

SECONDS = 30
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def nft_complaints(folder: Path) -> Iterator[str]:
    """What `nft --check` says about the rules of a node. Nothing is asked if there is no nft."""
    if (command := own_network("nft")) is None:
        return
    for path in sorted(folder.glob("cfg/*.nft")):
        done = _run([*command, "--check", "--file", str(path)])
        if done.returncode != 0:
            yield f"{path.name}: {done.stdout.strip()}"


def keepalived_complaints(folder: Path) -> Iterator[str]:
    """What `keepalived --config-test` says about a node's configuration. Nothing is asked if there is no keepalived.

    keepalived looks for the interface and the script that the configuration names.
    """
    path = folder / "cfg/keepalived.conf"
    if not path.is_file() or (command := own_network("keepalived")) is None:
        return
    (folder / "cfg/vip-check.sh").chmod(0o755)
    # As another user, keepalived 2.2.7 ends itself in the middle of the test: it takes that for the end of its parent.
    text = path.read_text().replace(INTERFACE, "vip").replace("script_user nobody", "script_user root")
    path.write_text(text)
    found = re.search(r"(?m)^ +interface (\S+)$", text)
    assert found
    *network, keepalived = command
    script = f'ip link add name {found[1]} type bridge && ip link set {found[1]} up && exec "$@"'
    done = _run([*network, "sh", "-c", script, "-", keepalived, "--config-test", "--vrrp", "--use-file", str(path)])
    if done.returncode != 0 or done.stdout.strip():
        yield f"{path.name}: {done.stdout.strip() or done.returncode}"


@functools.cache
def own_network(program: str) -> list[str] | None:
    """The command line of a program in a network of its own; None if this host has no such program or network."""
    path = shutil.which(program, path=_PATH)
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *users, "--net"]
    if path is None or shutil.which("unshare") is None or _run([*command, "true"]).returncode != 0:
        return None
    return [*command, path]


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=SECONDS
    )
