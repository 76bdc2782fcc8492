"""Builds what is missing, piece by piece, and lays out this clone's view of it."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import (
    catalogue,
    gobuild,
    host_limits,
    host_packages,
    images,
    node_image,
    pulumi_home,
    terraform_aws,
    venv,
)
from tools.catalogue import Image, Program
from tools.errors import ToolError
from tools.mirror import Mirror, write_lock
from tools.paths import Clone
from tools.pieces import Piece, make_all
from tools.progress import Progress, say
from tools.store import Store, place, write_atomically

# What a user's shell gets on top of the engine.
_ON_PATH = ("kubectl", "etcdctl", "etcdutl", "crane")


def has_local_machines(page: Path) -> bool:
    """Whether a stack's machines may be containers here. The standard library reads no YAML: in doubt they may."""
    text = page.read_text() if page.is_file() else ""
    return not re.search(r"^[^#\n]*\bprovider: *[\"']?(?!local\b)\w", text, re.MULTILINE)


@dataclass(frozen=True)
class Builder:
    """One run of `python3 -m tools build`."""

    clone: Clone
    shared: Path
    kubernetes: tuple[str, ...] = (catalogue.KUBERNETES_DEFAULT,)
    upstream: bool = False
    """Nodes get upstream's binaries and the user has an official Pulumi: nothing is built from source."""
    aws: bool = False
    """Build the test fixture that stands in for the official AWS plugin, too."""
    local: bool = True
    """Prepare this host for machines that are containers on it: their image, the container engine, its limits."""

    @property
    def store(self) -> Store:
        """The store of the shared cache."""
        return Store(self.shared / "store")

    def run(self) -> None:
        """Build what is missing; quick when nothing is."""
        log = self.shared / "log" / "apt.log"
        engine = host_packages.engine() if self.local else None
        if engine and engine[0] == "podman":
            host_packages.ensure(host_packages.PODMAN, log)
        if self.local:
            host_packages.ensure(host_packages.SSH, log)
            host_limits.ensure()
        official = pulumi_home.official(os.environ.get("PATH", os.defpath))
        if self.upstream and official is None:
            raise ToolError(
                "with upstream's binaries the engine is upstream's too: put `pulumi` 3.200 or newer with its "
                "`pulumi-language-python` on PATH (https://www.pulumi.com/docs/install)"
            )
        programs = self._programs(official)
        missing = [piece for piece in self._pieces(engine, programs) if not piece.is_done()]
        if missing:
            self._check_host(missing, log)
        make_all(missing, 1 if self.upstream else gobuild.modules_at_once())
        venv.link(self.clone, self.store)
        self._lay_out(engine, official)
        if missing:
            say(f"everything is built; logs are in {self.shared / 'log'}")

    def _programs(self, official: Path | None) -> list[Program]:
        if self.upstream:
            return []
        engine = () if official else (*catalogue.ENGINE, *catalogue.PLUGINS)
        if self.aws and not official:
            if terraform_aws.find():
                engine = (*engine, catalogue.AWS_PLUGIN)
            else:
                say(f"{terraform_aws.missing()}. Tests against a simulated AWS will be skipped")
        cluster = [program for version in self.kubernetes for program in catalogue.kubernetes(version)]
        return [*catalogue.SMALL, *engine, *catalogue.NODE, *catalogue.IMAGE_PROGRAMS, *cluster]

    def _pieces(self, engine: list[str] | None, programs: Sequence[Program]) -> list[Piece]:
        store = self.store
        pieces = [
            Piece(
                "Python packages",
                lambda: venv.is_ready(self.clone, store),
                lambda p: venv.make(self.clone, store, p),
                "venv",
            )
        ]
        if engine:
            pieces.append(
                Piece(
                    "image of local machines",
                    lambda: node_image.is_ready(engine, store),
                    lambda p: node_image.ensure(engine, store, p),
                    "machine",
                )
            )
        pieces += [self._program(program) for program in programs]
        return pieces + ([] if self.upstream else [self._image(image) for image in catalogue.IMAGES])

    def _program(self, program: Program) -> Piece:
        return Piece(
            f"{program.name} {program.version}",
            lambda: gobuild.find(program, self.store) is not None,
            lambda progress: gobuild.build(program, self.store, progress),
            program.folder,
        )

    def _image(self, image: Image) -> Piece:
        return Piece(
            f"image {image.reference}",
            lambda: images.find(image, self.store) is not None,
            lambda progress: images.build(image, self.store, progress),
            images.module(image),
        )

    def _check_host(self, missing: Sequence[Piece], log: Path) -> None:
        """Ask for what only building needs, and only when there is something to build."""
        needs = []
        if self.local:
            needs += [*host_packages.MACHINE_IMAGE, *(() if os.geteuid() == 0 else host_packages.USER_NAMESPACES)]
        if not self.upstream:
            gobuild.go_version()
            needs += host_packages.C_COMPILER
        host_packages.ensure(needs, log)
        say(f"to build: {len(missing)}; what is finished is kept if this is interrupted")

    def _lay_out(self, engine: list[str] | None, official: Path | None) -> None:
        """Make .cache of the clone: programs, plugins, lock file, facts about this host."""
        host: dict[str, object] = {"engine": engine, "nodeImage": node_image.reference()}
        if self.upstream:
            host |= {"mirror": None, "registryBinary": None}
        else:
            mirror = Mirror(self.shared / "mirror")
            for program in catalogue.everything():
                file = gobuild.find(program, self.store) if program.artifact else None
                if file:
                    mirror.add_file(file)
            mirror.add_images(catalogue.IMAGES, self.store)
            write_lock(self.clone.cache / "artifacts.lock.json", self.store)
            registry = mirror.add_file(gobuild.build(catalogue.REGISTRY, self.store, Progress(catalogue.REGISTRY.name)))
            host |= {"mirror": str(mirror.root), "registryBinary": registry}
            self._put_on_path()
        pulumi_home.lay_out(self.clone, self.store, ours=official is None, aws=self.aws)
        if engine:
            write_atomically(self.clone.cache / "local.json", json.dumps(host, indent=2) + "\n")

    def _put_on_path(self) -> None:
        cluster = catalogue.kubernetes(catalogue.KUBERNETES_DEFAULT)
        for program in (*cluster, *catalogue.NODE, catalogue.CRANE):
            file = gobuild.find(program, self.store)
            if program.name in _ON_PATH and file:
                place(file, self.clone.bin / program.name)
