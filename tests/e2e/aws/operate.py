"""Commands of `make` for a stack of the suite: `python -m tests.e2e.aws.operate STACK FOLDER restore latest all`.

The commands find page, state and program in a clone. Here they are those of the suite: the program is the one for
machines that are containers. The environment leads to the simulated account.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.aws.stack import STAND_INS
from tools.common.errors import ToolError
from tools.common.paths import Clone, this_clone
from tools.operate import restore
from tools.operate.stack import Stack

OPERATED = "operated"


@dataclass(frozen=True)
class SuiteClone(Clone):
    """The folder of a stack of the suite, in the place of a clone."""

    folder: Path

    @property
    def cache(self) -> Path:
        """The programs of this clone."""
        return this_clone().cache

    @property
    def venv(self) -> Path:
        """The environment of this clone."""
        return this_clone().venv

    @property
    def state(self) -> Path:
        """What the commands keep beside the state. The backend is elsewhere, as one that several people share."""
        return self.folder / OPERATED

    def page(self, stack: str) -> Path:
        """The page, as the last run of the suite has written it."""
        return self.folder / "page.yaml"

    def kubeconfig(self, stack: str) -> Path:
        """Where tests look for the kubeconfig."""
        return self.folder / "kubeconfig"


def operated(name: str, folder: Path, program: Path = STAND_INS) -> Stack:
    """The stack, for the functions of `tools.operate`."""
    return Stack(SuiteClone(this_clone().root / program, folder), name)


def main(name: str, folder: str, command: str, *arguments: str) -> int:
    """Run a command. Returns its exit code."""
    assert command == "restore"
    return restore.restore(operated(name, Path(folder)), *arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except ToolError as error:
        sys.exit(f"error: {error}")
