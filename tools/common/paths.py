"""Paths in this clone, and in the cache that all clones of this user share."""

import os
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]

NODE_IMAGE = "localhost/hardway-node"
"""The image of local machines in the container engine. Its tag is the digest of its inputs."""


@dataclass(frozen=True)
class Clone:
    """A working copy of the project. Git-ignored files can be deleted and are made again, except `.state`."""

    root: Path

    @property
    def cache(self) -> Path:
        """The part of the shared cache that this clone uses: programs, plugins, lock file, facts about the host."""
        return self.root / ".cache"

    @property
    def bin(self) -> Path:
        """Programs for the user's PATH."""
        return self.cache / "bin"

    @property
    def has_own_engine(self) -> bool:
        """Whether the clone runs the engine that the tools built."""
        # Imported here: the preparation needs nothing of the program.
        from components.artifacts.official_pulumi import ENGINE_MARKER

        return (self.bin / ENGINE_MARKER).exists()

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME if the clone runs the engine that the tools built."""
        return self.cache / "pulumi"

    @property
    def venv(self) -> Path:
        """The symbolic link to the virtual environment in the store."""
        return self.root / ".venv"

    @property
    def state(self) -> Path:
        """Pulumi's file backend, the passphrase, one folder for each stack. Without it no cluster can be changed."""
        return self.root / ".state"

    def page(self, stack: str) -> Path:
        """The committed configuration page of a stack."""
        return self.root / f"Pulumi.{stack}.yaml"

    def kubeconfig(self, stack: str) -> Path:
        """The path to which `up` writes the kubeconfig of a stack."""
        return self.state / stack / "kubeconfig"


def this_clone() -> Clone:
    """The clone that contains this package."""
    return Clone(_ROOT)


def shared_cache() -> Path:
    """The shared cache: $HARDWAY_CACHE, by default `hardway` in the user's cache folder."""
    chosen = os.environ.get("HARDWAY_CACHE")
    if chosen:
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "hardway"
