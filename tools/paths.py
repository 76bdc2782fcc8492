"""Where things lie: in this clone, and in the cache that all clones of this user share."""

import os
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
GO_MODULES = TOOLS / "go"


@dataclass(frozen=True)
class Clone:
    """A working copy of the project; everything git-ignored in it can be deleted and is made again, but `.state`."""

    root: Path

    @property
    def cache(self) -> Path:
        """This clone's view of the shared cache: programs, plugins, lock file, facts about the host."""
        return self.root / ".cache"

    @property
    def bin(self) -> Path:
        """Programs for the user's PATH."""
        return self.cache / "bin"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME while the engine is our own."""
        return self.cache / "pulumi"

    @property
    def venv(self) -> Path:
        """Symbolic link to the virtual environment in the store."""
        return self.root / ".venv"

    @property
    def state(self) -> Path:
        """Pulumi's file backend, the passphrase and one folder per stack. Losing it loses the clusters."""
        return self.root / ".state"

    def page(self, stack: str) -> Path:
        """The committed configuration page of a stack."""
        return self.root / f"Pulumi.{stack}.yaml"

    def kubeconfig(self, stack: str) -> Path:
        """Where `up` writes a stack's kubeconfig."""
        return self.state / stack / "kubeconfig"


def this_clone() -> Clone:
    """The clone that this package belongs to."""
    return Clone(TOOLS.parent)


def shared_cache() -> Path:
    """$HARDWAY_CACHE, by default `hardway` in the user's cache folder."""
    chosen = os.environ.get("HARDWAY_CACHE")
    if chosen:
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "hardway"
