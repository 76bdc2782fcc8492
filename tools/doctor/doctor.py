"""The report for one stack: the probes are those of the code that chooses, fetches and builds."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from components.artifacts.lock import LockError
from components.artifacts.official_pulumi import HOW_TO_INSTALL, version
from components.artifacts.source import UPSTREAM, Probes, Source
from components.network_policies.node import MODULES as OF_POLICIES
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.doctor import host
from tools.doctor.line import Line
from tools.operate import page as pages
from tools.operate.source import choose, has_machines, probes
from tools.prepare import host_packages


def examine(clone: Clone, cache: Path, stack: str) -> int:
    """Print a line for each thing. Return 1 if `make up` of the stack cannot work."""
    wrong = []
    for line in _lines(clone, cache, stack):
        print(line.text(), flush=True)
        if line.needed and not line.found:
            wrong.append(line.what)
    if wrong:
        print(f"`make up STACK={stack}` cannot work: {len(wrong)} missing")
        return 1
    print(f"`make up STACK={stack}` can work")
    return 0


def _lines(clone: Clone, cache: Path, stack: str) -> Iterator[Line]:
    yield Line(f"Python {platform.python_version()} ({sys.executable})", True)
    path = clone.page(stack)
    if not path.is_file():
        yield Line(f"page {path.name}", False, f"{pages.missing(clone, stack)}; examples/README.md has pages to copy")
        return
    try:
        there = probes(clone, stack)
        chosen = choose(clone, stack, there)
    except ToolError as error:
        yield Line(f"page {path.name}", False, str(error))
        return
    local = there.page.machines.serves_mirror
    yield Line(f"page {path.name}: machines of the provider {there.page.machines.provider}", True)
    yield Line(chosen.sentence(), True)
    yield from _upstream(there, chosen, local)
    yield from _engine(there, chosen)
    if chosen.name != UPSTREAM:
        yield from _compilers()
    if local:
        yield from _local(clone, cache, stack, there, chosen)
    else:
        found = host_packages.which("ssh")
        mend = "sudo apt-get install -y openssh-client, or the package of your system"
        yield Line(f"ssh: {found or 'not on PATH'}", found is not None, mend, needed=there.page.machines.takes_ssh)
    kubectl = shutil.which("kubectl", path=os.pathsep.join([str(clone.bin), there.path]))
    mend = "`make up` fetches or builds it"
    yield Line(f"kubectl: {kubectl or 'not there yet'}", kubectl is not None, mend, needed=False)


def _upstream(there: Probes, chosen: Source, local: bool) -> Iterator[Line]:
    """Lock and publishers. They are needed if the stack uses them, and by this machine only if it serves them."""
    needed = chosen.name == UPSTREAM
    if isinstance(there.lock, LockError):
        problem, _, mend = str(there.lock).rpartition("; ")
        yield Line(f"versions of the page in the lock of release files: {problem}", False, mend, needed)
        return
    yield Line("versions of the page: the lock of release files has all", True)
    for name in there.asked:
        problem = there.silent.get(name, "")
        mend = f"a way to {name} by https, or a proxy: export https_proxy=http://HOST:PORT"
        # A file that is in the mirror already is not fetched, so silence need not stop `make up`.
        what = f"{name} answers" if not problem else f"{name}, {problem}"
        yield Line(what, not problem, mend, needed and local and not _is_mirrored(there))


def _is_mirrored(there: Probes) -> bool:
    """Whether everything is in the mirror of this machine already."""
    from tools.common.paths import shared_cache
    from tools.mirror.fill import pieces
    from tools.mirror.folder import Mirror
    from tools.mirror.prepared import to_try

    if isinstance(there.lock, LockError):
        return False
    mirror = Mirror(shared_cache() / "mirror")
    page, lock = there.page, there.lock
    return all(piece.is_done() for piece in pieces(mirror, page, lock, page.architectures, to_try(lock)))


def _engine(there: Probes, chosen: Source) -> Iterator[Line]:
    if there.pulumi:
        found = ".".join(map(str, version(there.pulumi)))
        yield Line(f"pulumi {found}: {there.pulumi}", True)
    else:
        needed = chosen.name == UPSTREAM
        yield Line("official `pulumi` on PATH" + ("" if needed else "; one is built"), False, HOW_TO_INSTALL, needed)


def _compilers() -> Iterator[Line]:
    found = shutil.which("go")
    mend = f"install Go 1.26.6 or newer (https://go.dev/dl); or, to build nothing, {HOW_TO_INSTALL}"
    yield Line(f"go: {found or 'not on PATH'}", found is not None, mend)


def _local(clone: Clone, cache: Path, stack: str, there: Probes, chosen: Source) -> Iterator[Line]:
    packages = [*host_packages.SSH, *host_packages.MACHINE_IMAGE]
    if chosen.name != UPSTREAM:
        packages += host_packages.C_COMPILER
    yield from host.engine(packages)
    # A container of this host has the kernel of this host, and cannot load a module.
    of_policies = OF_POLICIES if there.page.network.enforces_policies else ()
    yield from host.kernel(wanted=(*host.MODULES, *of_policies))
    yield from host.limits()
    wanted = host.MIRROR_BYTES if chosen.name == UPSTREAM else host.BUILD_BYTES
    # What is there already needs no room any more.
    done = (cache / ("mirror" if chosen.name == UPSTREAM else "store")).is_dir()
    yield from host.disk(cache, host.GIGA if done else wanted)
    values = pages.read(clone.page(stack))
    machines = pages.section(values, "machines")
    base = machines.get("portBase") if isinstance(machines, dict) else None
    yield from host.ports(clone.state / stack, len(pages.nodes(values)), base, has_machines(clone, stack))
