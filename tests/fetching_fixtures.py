"""For tests of what nodes fetch: a machine, and a server whose authority the machine does not trust by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from publisher import Publisher, authority, publishing
from scratch_machine import ScratchMachine


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    """A machine whose scripts do not pause between attempts."""
    made = ScratchMachine(tmp_path)
    made.program("sleep")
    return made


@pytest.fixture
def https_server(machine: ScratchMachine) -> Iterator[Publisher]:
    """A server with TLS. The file authority.pem in the folder of the machine verifies it."""
    _, context = authority(machine.folder)
    with publishing(context) as server:
        yield server
