"""Builds or fetches what is missing, and fills the folder `.cache` of this clone."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.artifacts.official_pulumi import HOW_TO_INSTALL, official
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.common.progress import say
from tools.common.store import Store, place, write_atomically
from tools.from_source import catalogue, gobuild, images, node_image, pulumi_home, stand_ins, terraform_aws
from tools.from_source.built_lock import write_lock
from tools.from_source.catalogue import Image, Program
from tools.from_source.pieces import Piece, make_all
from tools.mirror.folder import Mirror
from tools.prepare import host_limits, host_packages

# Programs for the user's PATH, besides the engine.
_ON_PATH = ("kubectl", "etcdctl", "etcdutl", "crane")


@dataclass(frozen=True)
class Builder:
    """One run of `python -m tools build`."""

    clone: Clone
    shared: Path
    kubernetes: tuple[str, ...] = (catalogue.KUBERNETES_DEFAULT,)
    upstream: Path | None = None
    """The page of the stack whose nodes get upstream's release files. Then nothing is built from source."""
    aws: bool = False
    """Also build the AWS plugin of the tests, which replaces the official one there."""
    metrics_server: bool = False
    """Also build the image of metrics-server, a real aggregated API for tests."""
    s3_server: bool = False
    """Also build a server of S3 for tests."""
    judges: bool = False
    """Also build the programs and images of `make cis` and `make conformance`."""
    local: bool = True
    """Also prepare this host for local machines: their image, the container engine, kernel limits."""

    @property
    def store(self) -> Store:
        """The store of the shared cache."""
        return Store(self.shared / "store")

    @property
    def mirror(self) -> Mirror:
        """The mirror of the shared cache."""
        return Mirror(self.shared / "mirror")

    def run(self) -> None:
        """Make what is missing. Fast if nothing is missing. Raises ToolError if the host lacks something."""
        log = self.shared / "log" / "apt.log"
        found = official(os.environ.get("PATH", os.defpath))
        if self.upstream and found is None:
            raise ToolError(f"there is no official `pulumi` on PATH: {HOW_TO_INSTALL}; then run make again")
        engine = host_packages.engine() if self.local else None
        if engine and engine[0] == "podman":
            host_packages.ensure(host_packages.PODMAN, log)
        if self.local:
            host_packages.ensure(host_packages.SSH, log)
            host_limits.ensure()
        missing = [piece for piece in self._pieces(engine, self._programs(found)) if not piece.is_done()]
        if missing:
            self._check_host(missing, log)
        make_all(missing, 1 if self.upstream else gobuild.modules_at_once())
        self._lay_out(engine, found)
        if self.upstream:
            from tools.mirror import prepared

            prepared.ensure(self.clone, self.mirror, self.upstream, whole=self.local)
        if missing:
            say(f"everything is built; logs are in {self.shared / 'log'}")

    def _programs(self, found: Path | None) -> list[Program]:
        if self.upstream:
            return []
        engine = () if found else (*catalogue.ENGINE, *catalogue.PLUGINS)
        if self.aws and not found:
            if terraform_aws.find():
                engine = (*engine, catalogue.AWS_PLUGIN)
            else:
                say(f"{terraform_aws.missing()}. Tests against a simulated AWS will be skipped")
        cluster = [program for version in self.kubernetes for program in catalogue.kubernetes(version)]
        wanted = ((catalogue.METRICS_SERVER, self.metrics_server), (catalogue.S3_SERVER, self.s3_server))
        judges = (catalogue.KUBE_BENCH, *catalogue.CONFORMANCE) if self.judges else ()
        more = [*(program for program, is_wanted in wanted if is_wanted), *judges]
        return [*catalogue.SMALL, *engine, *catalogue.NODE, *catalogue.IMAGE_PROGRAMS, *more, *cluster]

    def _pieces(self, engine: list[str] | None, programs: Sequence[Program]) -> list[Piece]:
        store = self.store
        pieces = []
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
        wanted = (*catalogue.IMAGES, *(catalogue.TEST_IMAGES if self.metrics_server else ()))
        pieces += [] if self.upstream else [self._image(image) for image in wanted]
        if self.judges:
            pieces.append(
                Piece(
                    "stand-ins of upstream's test images",
                    lambda: stand_ins.find(store) is not None,
                    lambda progress: stand_ins.build(store, progress),
                    stand_ins.NAME,
                )
            )
        return pieces

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
        """Install or require what only builds need, because there is something to build."""
        needs = []
        if self.local:
            needs += [*host_packages.MACHINE_IMAGE, *(() if os.geteuid() == 0 else host_packages.USER_NAMESPACES)]
        if not self.upstream:
            gobuild.go_version()
            needs += host_packages.C_COMPILER
        host_packages.ensure(needs, log)
        say(f"to build: {len(missing)}; finished work is kept if the build is interrupted")

    def _lay_out(self, engine: list[str] | None, found: Path | None) -> None:
        """Fill `.cache` of the clone: programs, plugins, lock file, facts about this host."""
        if not self.upstream:
            for program in catalogue.everything():
                file = gobuild.find(program, self.store) if program.artifact else None
                if file:
                    self.mirror.add_file(file, gobuild.sha256(file))
            for image in (*catalogue.IMAGES, *catalogue.TEST_IMAGES):
                folder = images.find(image, self.store)
                if folder:
                    self.mirror.add_layout(image.reference, folder)
            self.mirror.name_manifests()
            write_lock(self.clone.cache / "artifacts.lock.json", self.store)
            self._put_on_path()
        pulumi_home.lay_out(self.clone, self.store, ours=found is None, aws=self.aws)
        if engine:
            host = {"engine": engine, "nodeImage": node_image.reference(), "mirror": str(self.mirror.root)}
            write_atomically(self.clone.cache / "local.json", json.dumps(host, indent=2) + "\n")

    def _put_on_path(self) -> None:
        cluster = catalogue.kubernetes(catalogue.KUBERNETES_DEFAULT)
        for program in (*cluster, *catalogue.NODE, catalogue.CRANE):
            file = gobuild.find(program, self.store)
            if program.name in _ON_PATH and file:
                place(file, self.clone.bin / program.name)
