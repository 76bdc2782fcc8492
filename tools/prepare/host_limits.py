"""Kernel limits of the host that are too low for several local machines."""

import os
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.progress import say

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# The systemd, kubelet, runtime and control plane of one machine use about twenty instances. The kernel allows 128 for
# all processes of a user. Programs above the limit fail without naming the limit: a machine does not boot, a kubelet
# does not start.
NEEDED = 1024


def ensure(limit: Path = INOTIFY) -> None:
    """Raises the limit of inotify instances until the next boot of the host. Raises ToolError if this requires root."""
    if not limit.exists() or int(limit.read_text()) >= NEEDED:
        return
    if os.geteuid() != 0:
        raise ToolError(
            f"the inotify limit of this host is too low for local machines; run: sudo sysctl -w {setting()}"
        )
    say(f"raising a limit of this host until its next boot: {setting()} (it was {limit.read_text().strip()})")
    limit.write_text(f"{NEEDED}\n")


def setting() -> str:
    """The argument of `sysctl -w`."""
    return f"fs.inotify.max_user_instances={NEEDED}"
