"""The container images of a cluster. Each image contains only what its program needs.

Entry points, users and paths are the same as in the published images of the projects, so that the same manifests work
with both.
"""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from components.architecture import of_this_machine
from tools.common.progress import Progress, run_logged
from tools.common.store import Store, digest_of, remove_tree
from tools.from_source import catalogue, gobuild, node_image
from tools.from_source.catalogue import Image, Program
from tools.from_source.oci import NET_BIND_SERVICE, Content, File, Settings, write_layout
from tools.from_source.preparations import module_folder

LIBRARIES = {"amd64": "usr/lib/x86_64-linux-gnu", "arm64": "usr/lib/aarch64-linux-gnu"}
LOADERS = {"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/usr/lib/ld-linux-aarch64.so.1"}
_FIREWALL = ("usr/sbin/nft", "usr/sbin/xtables-nft-multi")
_FIREWALL_NAMES = tuple(f"{family}{kind}" for family in ("iptables", "ip6tables") for kind in ("", "-save", "-restore"))
_AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
_NOBODY = b"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"

_PROGRAMS: dict[str, tuple[Program, ...]] = {
    "pause": (),
    "flannel": (catalogue.FLANNELD, catalogue.FLANNEL_INSTALL),
    "coredns": (catalogue.COREDNS,),
    "kube-network-policies": (catalogue.KUBE_NETWORK_POLICIES,),
    "agnhost": (catalogue.AGNHOST,),
    "metrics-server": (catalogue.METRICS_SERVER,),
}
_FROM_DEBIAN = {"flannel", "coredns"}


def digest(image: Image) -> str:
    """The digest of all inputs of an image."""
    programs = [gobuild.digest(program) for program in _PROGRAMS[image.name]]
    debian = node_image.digest() if image.name in _FROM_DEBIAN else None
    pause = gobuild.sources_digest(catalogue.PAUSE_FOLDER) if image.name == "pause" else None
    return digest_of("image-1", image.reference, of_this_machine(), programs, debian, pause)


def module(image: Image) -> str:
    """The folder in `go` from which the programs of the image come."""
    return _PROGRAMS[image.name][0].folder if _PROGRAMS[image.name] else catalogue.PAUSE_FOLDER


def entry_name(image: Image) -> str:
    """The name of an image's folder in the store. The folder is an OCI layout."""
    return f"image-{image.name}-{image.version}"


def find(image: Image, store: Store) -> Path | None:
    """The folder of a finished image, or None."""
    folder = store.path(entry_name(image), digest(image))
    return folder if folder.is_dir() else None


def build(image: Image, store: Store, progress: Progress) -> Path:
    """Make an image if it does not exist. Return the folder of its OCI layout."""
    files = {program.name: gobuild.build(program, store, progress) for program in _PROGRAMS[image.name]}
    debian = node_image.root_file_system(store, progress) if image.name in _FROM_DEBIAN else None

    def make(folder: Path) -> None:
        work = folder / ".work"
        work.mkdir()
        if image.name == "pause":
            files["pause"] = compile_pause(image.version, work, store, progress)
        if debian:
            unpack(debian, work)
        made = content(image, files, work)
        write_layout(folder, made.layers, made.settings, of_this_machine())
        remove_tree(work)

    return store.make(entry_name(image), digest(image), make)


def content(image: Image, programs: dict[str, Path], debian: Path) -> Content:
    """What an image is made of. `programs` has the files of its programs by name, `debian` is what `unpack` made."""
    return Content(*_CONTENTS[image.name](programs, debian))


def _pause(programs: dict[str, Path], _: Path) -> tuple[list[list[File]], Settings]:
    return [[File("/pause", source=programs["pause"])]], Settings(("/pause",), user="65535:65535")


def _coredns(programs: dict[str, Path], debian: Path) -> tuple[list[list[File]], Settings]:
    system = [
        File("/etc/passwd", content=_NOBODY, mode=0o644),
        File(f"/{_AUTHORITIES}", source=debian / _AUTHORITIES, mode=0o644),
        File("/tmp", mode=0o1777),  # noqa: S108 - a folder of the image
    ]
    # The capability lets the program listen on port 53 without root.
    program = [File("/coredns", source=programs["coredns"], capability=NET_BIND_SERVICE)]
    return [system, program], Settings(("/coredns",), user="65532:65532", ports=("53/tcp", "53/udp"))


def _flannel(programs: dict[str, Path], debian: Path) -> tuple[list[list[File]], Settings]:
    system = [*firewall(debian), File("/run"), File("/etc/passwd", content=_NOBODY, mode=0o644)]
    flannel = [File(f"/opt/bin/{name}", source=path) for name, path in programs.items()]
    return [system, flannel], Settings(("/opt/bin/flanneld",))


def _kube_network_policies(programs: dict[str, Path], _: Path) -> tuple[list[list[File]], Settings]:
    return [[File("/bin/netpol", source=programs["kube-network-policies"])]], Settings((), ("/bin/netpol",))


def _agnhost(programs: dict[str, Path], _: Path) -> tuple[list[list[File]], Settings]:
    files = [
        File("/agnhost", source=programs["agnhost"]),
        File("/agnhost-2", link="agnhost"),
        File("/uploads"),
        File("/tmp", mode=0o1777),  # noqa: S108 - a folder of the image
        File("/etc/passwd", content=_NOBODY, mode=0o644),
    ]
    ports = tuple(f"{port}/tcp" for port in (80, 8080, 8081, 9376, 5000))
    return [files], Settings(("/agnhost",), ("pause",), ports=ports)


def _metrics_server(programs: dict[str, Path], _: Path) -> tuple[list[list[File]], Settings]:
    files = [File("/metrics-server", source=programs["metrics-server"]), File("/tmp", mode=0o1777)]  # noqa: S108
    return [files], Settings(("/metrics-server",), user="65534:65534", ports=("10250/tcp",))


_CONTENTS: dict[str, Callable[[dict[str, Path], Path], tuple[list[list[File]], Settings]]] = {
    "pause": _pause,
    "coredns": _coredns,
    "flannel": _flannel,
    "kube-network-policies": _kube_network_policies,
    "agnhost": _agnhost,
    "metrics-server": _metrics_server,
}


def firewall(debian: Path) -> Iterator[File]:
    """The programs nft and iptables with the libraries that they load, at the same paths as in Debian."""
    for name in _FIREWALL_NAMES:
        yield File(f"/usr/sbin/{name}", link="xtables-nft-multi")
    libraries = LIBRARIES[of_this_machine()]
    loader = LOADERS[of_this_machine()]
    needed: set[str] = set()
    for program in _FIREWALL:
        yield File(f"/{program}", source=debian / program)
        # Debian's loader lists the libraries that it would load. It does not run the program.
        command = [str(debian / libraries / Path(loader).name), "--library-path", str(debian / libraries), "--list"]
        answer = subprocess.run([*command, str(debian / program)], capture_output=True, text=True, check=True).stdout
        needed |= {Path(line.split()[2]).name for line in answer.splitlines() if " => " in line and libraries in line}
    for name in sorted(needed):
        yield File(f"/{libraries}/{name}", source=(debian / libraries / name).resolve(), mode=0o644)
    # iptables loads one extension for each kind of match and target.
    for extension in sorted((debian / libraries / "xtables").iterdir()):
        yield File(f"/{libraries}/xtables/{extension.name}", source=extension.resolve(), mode=0o644)
    yield File(loader, source=(debian / libraries / Path(loader).name).resolve())
    yield File("/lib", link="usr/lib")


def unpack(debian: Path, target: Path) -> None:
    """Unpack what images need of a root file system of Debian (a tar file) into a folder."""
    wanted = [LIBRARIES[of_this_machine()], *_FIREWALL, _AUTHORITIES]
    subprocess.run(["tar", "-xf", str(debian), "-C", str(target), *(f"./{path}" for path in wanted)], check=True)


def compile_pause(version: str, work: Path, store: Store, progress: Progress) -> Path:
    """Compile the pause program, with this version, into the folder `work`. Return its path."""
    module = module_folder("k8s.io/kubernetes", gobuild.GO_MODULES / catalogue.PAUSE_FOLDER)
    program = work / "pause"
    source = module / "build" / "pause" / "linux" / "pause.c"
    flags = ["-Os", "-Wall", "-static", "-s", f"-DVERSION=v{version}"]
    run_logged(["gcc", *flags, "-o", str(program), str(source)], store.root.parent / "log" / "pause.log", progress)
    return program
