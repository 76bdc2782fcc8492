"""Sockets of this process in the network of a machine."""

import ctypes
import socket
from pathlib import Path

from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask

_CLONE_NEWNET = 0x40000000
_OWN = Path("/proc/thread-self/ns/net")


def listening(machine: Machine, port: int) -> socket.socket:
    """A socket that listens at the address of the machine. A socket stays in the network in which it was made.

    Raises AssertionError if the machine is not running, OSError if the address is in use.
    """
    pid = ask([*machine.engine, "inspect", "--format", "{{.State.Pid}}", machine.container]).ok().strip()
    assert pid != "0", f"{machine.name} is not running"
    with _OWN.open() as own, Path(f"/proc/{pid}/ns/net").open() as there:
        _enter(there.fileno())
        try:
            return socket.create_server((machine.address, port))
        finally:
            _enter(own.fileno())


def _enter(network: int) -> None:
    """Move this thread, and no other. `os.setns` is new in Python 3.12."""
    if ctypes.CDLL(None, use_errno=True).setns(network, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
