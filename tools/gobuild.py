"""Builds the catalogue's Go programs into the store.

The user's Go settings stay in force (GOPROXY, GOFLAGS, GOTOOLCHAIN, caches); nothing here names a server.
"""

import functools
import math
import os
import platform
import shutil
import subprocess
from pathlib import Path

from tools import preparations
from tools.catalogue import Program
from tools.errors import ToolError
from tools.paths import GO_MODULES
from tools.progress import Progress
from tools.store import Store, digest_of, folder_digest, recorded, write_record

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_BYTES_PER_COMPILER = 4 << 30
_MODULES_AT_ONCE = 2


def architecture() -> str:
    """Name this machine's processor the way Go and the lock files do."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


@functools.cache
def go_version() -> str:
    """Give the line that `go version` prints. Raises ToolError when there is no Go."""
    if shutil.which("go") is None:
        raise ToolError(
            "there is no `go` on PATH; the programs are built with Go 1.26.6 or newer (https://go.dev/dl). "
            "To use upstream's binaries instead: `make tools UPSTREAM=1`, and `source: upstream` in the page"
        )
    # In a folder without go.mod: inside a module the answer could be that of a toolchain to download.
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
    """Digest the go.mod, go.sum and Go files of a folder below tools/go."""
    return digest_of(folder_digest(_sources(folder)))


@functools.cache
def digest(program: Program) -> str:
    """Digest everything that decides what a program becomes."""
    entry = [program.package, program.stamps, program.tags, program.uses_c, program.preparation]
    return digest_of("go-1", go_version(), architecture(), sources_digest(program.folder), entry)


def entry_name(program: Program) -> str:
    """Name a program's folder in the store."""
    return f"{program.name}-{program.version}"


def find(program: Program, store: Store) -> Path | None:
    """Find a finished program."""
    folder = store.path(entry_name(program), digest(program))
    return folder / program.name if folder.is_dir() else None


def sha256(program_file: Path) -> str:
    """Give the digest of a finished program, without reading all of it again."""
    return recorded(program_file.parent)[program_file.name]


def build(program: Program, store: Store, progress: Progress) -> Path:
    """Build a program unless it is finished; return the file."""
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
    # For all clones together: large programs at once need more memory than a laptop has.
    with store.one_of("go-build", modules_at_once()):
        job = preparations.Job(program, source, folder, go_command(program), environment(program), log, progress)
        if program.preparation:
            preparations.STEPS[program.preparation](job)
        job.go_build(program.package, folder / program.name)
    shutil.rmtree(source)
    write_record(folder)


def _compilers() -> int:
    """How many compilers this host has memory for."""
    return max(1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _BYTES_PER_COMPILER)


def modules_at_once() -> int:
    """How many modules are built side by side: while one is downloaded or linked, the other keeps all cores busy."""
    return min(_MODULES_AT_ONCE, _compilers())


def go_command(program: Program) -> list[str]:
    """Give `go build` with all flags but output and package."""
    link = ["-s", "-w", *(f"-X {stamp}" for stamp in program.stamps)]
    tags = list(program.tags)
    if program.uses_c:
        link += ["-linkmode external", '-extldflags "-static"']
        tags += ["netgo", "osusergo"]
    parallel = min(os.cpu_count() or 1, math.ceil(_compilers() / modules_at_once()))
    flags = ["-buildvcs=false", "-mod=readonly", "-trimpath", "-p", str(parallel)]
    # The linker drops what debuggers want (-s -w): an eighth of the compilers' time goes into it.
    flags += ["-gcflags=all=-dwarf=false", "-ldflags", " ".join(link)]
    return ["go", "build", *flags, *(["-tags", ",".join(tags)] if tags else [])]


def environment(program: Program) -> dict[str, str]:
    """Give the user's environment with what a build needs on top."""
    ours = {"CGO_ENABLED": "1" if program.uses_c else "0", "GOWORK": "off"}
    # Compilers are short-lived: they need not tidy up as often as a server.
    return {"GOGC": "400", **os.environ, **ours}
