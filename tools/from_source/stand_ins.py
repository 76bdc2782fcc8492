"""Stand-ins of the images that upstream's conformance tests run, from Debian packages and Go modules.

Each image has the name under which the tests ask for it, and what the tests need of it. None is upstream's image: the
system is Debian (upstream: Alpine), and versions of programs are those of Debian and of this catalogue. The images go
to local machines, which reach no registry, for the time of `make conformance`. On other machines the kubelets pull
upstream's images.
"""

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

from components.architecture import of_this_machine
from tools.common.progress import Progress, run_logged
from tools.common.store import Store, digest_of, remove_tree
from tools.from_source import catalogue, gobuild, images, node_image
from tools.from_source.oci import Content, File, Settings, write_bundle
from tools.from_source.preparations import module_folder

NAME = "conformance-images"
_DEBIAN = "conformance-debian"
ARCHIVE = "images.tar"
"""An OCI layout in a tar file, as `ctr images import` reads it."""
_SUITE = "trixie"
"""It has the version of busybox that upstream uses."""
PACKAGES = (
    *("bash", "bind9-dnsutils", "busybox-static", "curl", "iperf", "iproute2", "netcat-openbsd", "nginx-light"),
    *("socat", "util-linux"),
)
_SOURCE = "busybox"
"""The source package of busybox, and the folder with its files."""
_HOOKS = (
    # The source of busybox, as its authors published it. apt verifies the file with the signature of Debian's archive.
    'sed -n "s/^deb /deb-src /p" "$1"/etc/apt/sources.list >"$1"/etc/apt/sources.list.d/source.list',
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get update',
    f'mkdir "$1"/{_SOURCE} && cd "$1"/{_SOURCE} && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get source --download-only'
    f" {_SOURCE}",
)
_CLEANING = (
    f'rm -rf "$1"/{_SOURCE} "$1"/etc/apt/sources.list.d/source.list',
    # The user and the group of upstream's agnhost.
    'chroot "$1" useradd --uid 1000 --user-group --create-home user-defined-in-image',
    'chroot "$1" groupadd --gid 50000 group-defined-in-image',
    'chroot "$1" usermod --append --groups group-defined-in-image user-defined-in-image',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/*',
)
_TESTS = "registry.k8s.io/e2e-test-images"
_PAUSE = "3.10.2"
_BUSYBOX_SETTINGS = {"CONFIG_STATIC": "y", "CONFIG_TC": "n"}
"""Besides the defaults. `tc` does not compile with the headers of Linux 6.8 and newer, which lack CBQ."""
_PROGRAMS = (
    catalogue.AGNHOST,
    catalogue.NNP,
    catalogue.SAMPLE_APISERVER,
    *(program for program in catalogue.NODE if program.name in {"etcd", "etcdctl"}),
)
NGINX_CONF = b"""\
worker_processes 1;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  access_log /dev/stdout;
  server {
    listen 80;
    listen [::]:80;
    root /usr/share/nginx/html;
    index index.html;
  }
}
"""
_USERS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
_GROUPS = b"root:x:0:\nnogroup:x:65534:\n"
_TEMPORARY = File("/tmp", mode=0o1777)  # noqa: S108 - a folder of images


def digest() -> str:
    """The digest of all inputs, except the state of Debian's archive."""
    programs = [gobuild.digest(program) for program in _PROGRAMS]
    sources = gobuild.sources_digest(catalogue.PAUSE_FOLDER)
    return digest_of(
        "conformance-2",
        of_this_machine(),
        programs,
        sources,
        _debian_digest(),
        sorted(_BUSYBOX_SETTINGS.items()),
        NGINX_CONF.decode(),
        _PAUSE,
    )


def _debian_digest() -> str:
    return digest_of("conformance-debian-2", of_this_machine(), _SUITE, PACKAGES, _HOOKS, _CLEANING)


def find(store: Store) -> Path | None:
    """The finished archive, or None."""
    archive = store.path(NAME, digest()) / ARCHIVE
    return archive if archive.is_file() else None


def build(store: Store, progress: Progress) -> Path:
    """Make the images if they do not exist. Return the archive."""

    def make(folder: Path) -> None:
        work, layout = folder / ".work", folder / ".layout"
        work.mkdir()
        programs = {program.name: gobuild.build(program, store, progress) for program in _PROGRAMS}
        debian = _debian(store, progress)
        programs["busybox"] = _busybox(debian.parent / _SOURCE, work, store, progress)
        programs["pause"] = images.compile_pause(_PAUSE, work, store, progress)
        module = module_folder("k8s.io/kubernetes", gobuild.GO_MODULES / catalogue.AGNHOST.folder)
        layout.mkdir()
        write_bundle(layout, contents(programs, debian, module / "test" / "images"), of_this_machine())
        with tarfile.open(folder / ARCHIVE, "w") as archive:
            for path in sorted(layout.iterdir()):
                archive.add(path, path.name)
        remove_tree(work)
        remove_tree(layout)

    return store.make(NAME, digest(), make) / ARCHIVE


def _debian(store: Store, progress: Progress) -> Path:
    """A root file system of Debian with what the images need, as a tar file; the source of busybox lies beside it."""
    log = store.root.parent / "log" / f"{_DEBIAN}.log"

    def make(folder: Path) -> None:
        hooks = [*_HOOKS, f"copy-out /{_SOURCE} {folder}", *_CLEANING]
        node_image.bootstrap(folder / node_image.TAR, PACKAGES, hooks, log, progress, _SUITE)

    return store.make(_DEBIAN, _debian_digest(), make) / node_image.TAR


def contents(programs: dict[str, Path], debian: Path, sources: Path) -> dict[str, Content]:
    """The images by name. `debian` is a root file system, `sources` the folder test/images of the Kubernetes module."""
    agnhost = [
        File("/agnhost", source=programs["agnhost"]),
        File("/agnhost-2", link="agnhost"),
        File("/uploads"),
        # Alpine has the one of busybox, too.
        File("/usr/local/bin/wget", link="/usr/bin/busybox"),
        *(
            File(f"/localhost.{kind}", source=sources / "agnhost/porter" / f"localhost.{kind}")
            for kind in ("crt", "key")
        ),
    ]
    ports = tuple(f"{port}/tcp" for port in (80, 8080, 8081, 9376, 5000))
    found = {
        f"{_TESTS}/agnhost:{version}": Content([debian, agnhost], Settings(("/agnhost",), ("pause",), ports=ports))
        for version in ("2.66.1", "2.55")
    }
    for name, version in {"kitten": "1.8", "nautilus": "1.8"}.items():
        pages = [
            File(f"/{file}", source=sources / name / "html" / file, mode=0o644) for file in (f"{name}.jpg", "data.json")
        ]
        found[f"{_TESTS}/{name}:{version}"] = Content(
            [debian, agnhost, pages], Settings(("/agnhost",), ("test-webserver",), ports=ports)
        )
    nginx = [
        File("/etc/nginx/nginx.conf", content=NGINX_CONF, mode=0o644),
        File("/usr/share/nginx/html/index.html", content=b"<h1>Welcome to nginx!</h1>\n", mode=0o644),
        File("/var/log/nginx"),
    ]
    for version in ("1.27.0-2", "1.28.0-2"):
        found[f"{_TESTS}/nginx:{version}"] = Content(
            [debian, nginx], Settings((), ("nginx", "-g", "daemon off;"), ports=("80/tcp",))
        )
    return {
        **found,
        f"{_TESTS}/busybox:1.37.0-2": Content([_busybox_files(programs["busybox"])], Settings((), ("sh",))),
        f"{_TESTS}/nonewprivs:1.4": Content(
            [debian, [File("/usr/local/bin/nnp", source=programs["nnp"], mode=0o6755)]], Settings((), ("nnp",))
        ),
        f"{_TESTS}/nonroot:1.5": Content([debian], Settings((), ("bash",), user="1234")),
        f"{_TESTS}/glibc-dns-testing:2.1.1": Content([debian], Settings((), ("bash",))),
        f"{_TESTS}/ipc-utils:1.4": Content([debian], Settings((), ("sh",))),
        f"{_TESTS}/sample-apiserver:1.29.2": Content(
            [[File("/sample-apiserver", source=programs["sample-apiserver"]), _TEMPORARY]],
            Settings(("/sample-apiserver",)),
        ),
        "registry.k8s.io/etcd:3.7.0-0": Content(
            [[*(File(f"/usr/local/bin/{name}", source=programs[name]) for name in ("etcd", "etcdctl")), _TEMPORARY]],
            Settings((), ("etcd",), ports=("2379/tcp", "2380/tcp")),
        ),
        f"registry.k8s.io/pause:{_PAUSE}": Content(
            [[File("/pause", source=programs["pause"])]], Settings(("/pause",), user="65535:65535")
        ),
    }


def names(archive: Path) -> list[str]:
    """The names of the images in a finished archive."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index
        manifests = json.load(index)["manifests"]
    return [manifest["annotations"]["io.containerd.image.name"] for manifest in manifests]


def _busybox_files(program: Path) -> list[File]:
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return [
        File("/bin/busybox", source=program),
        *(File(f"/bin/{applet}", link="busybox") for applet in applets if applet != "busybox"),
        *(File(f"/{name}") for name in ("dev", "home", "proc", "root", "sys", "usr/bin", "var")),
        _TEMPORARY,
        File("/etc/passwd", content=_USERS, mode=0o644),
        File("/etc/group", content=_GROUPS, mode=0o644),
    ]


def _busybox(package: Path, work: Path, store: Store, progress: Progress) -> Path:
    """Compile busybox without the patches of Debian, with which its shell hides variables such as `data-1`."""
    (archive,) = package.glob(f"{_SOURCE}_*.orig.tar.*")
    with tarfile.open(archive) as tar:
        tar.extractall(work, filter="data")
    (folder,) = work.glob(f"{_SOURCE}-*/")
    log = store.root.parent / "log" / f"{_SOURCE}.log"
    run_logged(["make", "defconfig"], log, progress, cwd=folder)
    config = folder / ".config"
    wanted = "".join(f"{name}={value}\n" for name, value in _BUSYBOX_SETTINGS.items())
    unset = re.compile(rf"(?m)^(# )?({'|'.join(_BUSYBOX_SETTINGS)})[ =].*\n")
    config.write_text(unset.sub("", config.read_text()) + wanted)
    # `silentoldconfig` takes what is written, and asks nothing about it.
    run_logged(["make", "silentoldconfig"], log, progress, cwd=folder)
    run_logged(["make", f"--jobs={os.cpu_count() or 1}", "busybox"], log, progress, cwd=folder)
    return folder / "busybox"
