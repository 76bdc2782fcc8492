"""What surrounds a run of Pulumi in the foreground: its folder for temporary files, and interrupts."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tools.common.store import remove_tree


@contextlib.contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A folder for temporary files of one run: the Kubernetes plugin does not remove its copy of the kubeconfig."""
    for left in folder.glob("tmp-*"):
        if not _is_alive(left.name.removeprefix("tmp-")):
            remove_tree(left)
    made = folder / f"tmp-{os.getpid()}"
    made.mkdir(mode=0o700, parents=True)
    try:
        yield made
    finally:
        remove_tree(made)


def _is_alive(pid: str) -> bool:
    """Whether there is a process with this id. Not from /proc, which macOS does not have."""
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # a process of another user
    return True


@contextlib.contextmanager
def interrupts_left_to_child() -> Iterator[None]:
    """Lets Ctrl-C reach only the child, so that Pulumi ends in order."""
    # A handler, because the child would inherit SIG_IGN.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
