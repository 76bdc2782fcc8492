"""Builds the Go programs of the catalogue into the store.

The user's Go settings apply (GOPROXY, GOFLAGS, GOTOOLCHAIN, caches). This module names no server.
"""

import functools
import math
import os
import shutil
import subprocess
from pathlib import Path

from components.architecture import of_this_machine
from components.artifacts.official_pulumi import HOW_TO_INSTALL
from tools.common.errors import ToolError
from tools.common.progress import Progress
from tools.common.store import Store, digest_of, folder_digest, recorded, write_record
from tools.from_source import preparations
from tools.from_source.catalogue import Program

GO_MODULES = Path(__file__).with_name("go")
_BYTES_PER_COMPILER = 4 << 30
_MODULES_AT_ONCE = 2


@functools.cache
def go_version() -> str:
    """The output of `go version`. Raises ToolError if Go is not on PATH."""
    if shutil.which("go") is None:
        raise ToolError(
            "there is no `go` on PATH; the programs are built with Go 1.26.6 or newer (https://go.dev/dl). "
            f"A machine that reaches upstream needs no Go: {HOW_TO_INSTALL}"
        )
    # In a folder without go.mod, because a go.mod can select another toolchain, which Go would download.
    return subprocess.run(["go", "version"], cwd="/", capture_output=True, text=True, check=True).stdout.strip()


@functools.cache
def _sources(folder: str) -> dict[str, Path]:
    top = GO_MODULES / folder
    if not (top / "go.mod").is_file():
        raise ToolError(f"{top}/go.mod is missing")
    wanted = [path for path in top.rglob("*") if path.suffix == ".go" or path.name in {"go.mod", "go.sum"}]
    return {str(path.relative_to(top)): path for path in wanted}


@functools.cache
def sources_digest(folder: str) -> str:
    """The digest of the go.mod, go.sum and Go files of a folder in `go`."""
    return digest_of(folder_digest(_sources(folder)))


@functools.cache
def digest(program: Program) -> str:
    """The digest of all inputs of a program's build."""
    entry: list[object] = [program.package, program.stamps, program.tags, program.uses_c, program.preparation]
    # Not a further element for every program: its digest would change, and everything would be built again.
    if program.is_test:
        entry.append("test")
    return digest_of("go-1", go_version(), of_this_machine(), sources_digest(program.folder), entry)


def entry_name(program: Program) -> str:
    """The name of a program's folder in the store."""
    return f"{program.name}-{program.version}"


def find(program: Program, store: Store) -> Path | None:
    """The path of a finished program, or None."""
    folder = store.path(entry_name(program), digest(program))
    return folder / program.name if folder.is_dir() else None


def sha256(program_file: Path) -> str:
    """The SHA-256 of a finished program, from the record of its output, so that the file is not read again."""
    return recorded(program_file.parent)[program_file.name]


def build(program: Program, store: Store, progress: Progress) -> Path:
    """Build a program if it does not exist. Return its path."""
    return (
        store.make(entry_name(program), digest(program), lambda folder: _build(program, store, folder, progress))
        / program.name
    )


def _build(program: Program, store: Store, folder: Path, progress: Progress) -> None:
    log = store.root.parent / "log" / f"{entry_name(program)}.log"
    log.unlink(missing_ok=True)
    source = folder / ".source"
    for name, path in _sources(program.folder).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, source / name)
    # A limit for all clones together, because large builds at the same time need more memory than a laptop has.
    with store.one_of("go-build", modules_at_once()):
        job = preparations.Job(program, source, folder, go_command(program), environment(program), log, progress)
        if program.preparation:
            preparations.STEPS[program.preparation](job)
        job.go_build(program.package, folder / program.name)
    shutil.rmtree(source)
    write_record(folder)


def _compilers() -> int:
    """The number of compilers for which this host has memory."""
    return max(1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _BYTES_PER_COMPILER)


def modules_at_once() -> int:
    """The number of modules built at the same time: one uses all cores while another is downloaded or linked."""
    return min(_MODULES_AT_ONCE, _compilers())


def go_command(program: Program) -> list[str]:
    """The `go build` command, or that of a test binary, with all flags except output and package."""
    link = ["-s", "-w", *(f"-X {stamp}" for stamp in program.stamps)]
    tags = list(program.tags)
    if program.uses_c:
        link += ["-linkmode external", '-extldflags "-static"']
        tags += ["netgo", "osusergo"]
    parallel = min(os.cpu_count() or 1, math.ceil(_compilers() / modules_at_once()))
    flags = ["-buildvcs=false", "-mod=readonly", "-trimpath", "-p", str(parallel)]
    # The linker drops debugging information (-s -w). The compilers would spend an eighth of their time on it.
    flags += ["-gcflags=all=-dwarf=false", "-ldflags", " ".join(link)]
    return [
        "go",
        *(["test", "-c", "-vet=off"] if program.is_test else ["build"]),
        *flags,
        *(["-tags", ",".join(tags)] if tags else []),
    ]


def environment(program: Program) -> dict[str, str]:
    """The user's environment with the variables that a build needs."""
    ours = {"CGO_ENABLED": "1" if program.uses_c else "0", "GOWORK": "off"}
    # Compilers run only for a short time, so they need less garbage collection than servers.
    return {"GOGC": "400", **os.environ, **ours}
