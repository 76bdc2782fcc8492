"""A network of this test's own: nothing in it reaches this host, and nothing that is done in it changes this host."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of unshare(2)
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def private_network() -> Iterator[None]:
    """Let this thread, and the programs that it starts, have an empty network with a loopback interface.

    Skips the test without root, or where the kernel or the programs of this host cannot do it.
    """
    if os.geteuid() != 0:
        pytest.skip("a network of one's own needs root")
    for program in ("ip", "nft", "nsenter", "unshare", "setpriv"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on PATH")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if _LIBC.unshare(_NEW_NETWORK) != 0:
        os.close(before)
        pytest.skip(f"no network of one's own here: {os.strerror(ctypes.get_errno())}")
    try:
        run("ip link set lo up")
        yield
    finally:
        assert _LIBC.setns(before, _NEW_NETWORK) == 0
        os.close(before)


def run(script: str) -> str:
    """Run a POSIX script in the network of this thread. Raises AssertionError with its output if it fails."""
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout
