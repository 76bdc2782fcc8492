"""What machines get on which kubeadm makes a cluster: its programs, and the images that its users import beforehand.

All of it is made from the programs that nodes of hardway run. Nothing but `make bench ARGS="--against kubeadm"` needs
it.
"""

import tarfile
from collections.abc import Iterable
from pathlib import Path

from components.architecture import of_this_machine
from tools.common.progress import Progress
from tools.common.store import Store, digest_of, remove_tree
from tools.from_source import catalogue, gobuild, images, node_image
from tools.from_source.catalogue import COREDNS, FLANNEL_INSTALL, FLANNELD, KUBEADM, KUBERNETES_DEFAULT, NODE
from tools.from_source.oci import Content, File, Settings, write_bundle
from tools.from_source.preparations import module_folder

NAME = "kubeadm-machines"
PROGRAMS, CONTROL_PLANE, WORKER, FLANNEL = "programs.tar", "control-plane.tar", "worker.tar", "flannel.yml"
"""The files: programs at their places in the root file system, the images of both kinds of machines as `ctr images
import` reads them, and the manifest that flannel publishes."""
REGISTRY = "registry.k8s.io"
ETCD = next(program for program in NODE if program.name == "etcd")
ETCD_TAG, COREDNS_TAG, PAUSE = f"{ETCD.version}-0", f"v{COREDNS.version}", "3.10.2"
"""Tags of images besides those of Kubernetes. kubeadm looks for this version of pause itself: `PauseVersion` in its
app/constants."""
_ON_PATH = ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "crictl")
_PLUGINS = ("bridge", "host-local", "loopback", "portmap", "flannel")
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_TEMPORARY = File("/tmp", mode=0o1777)  # noqa: S108 - a folder of images


def _programs() -> dict[str, catalogue.Program]:
    wanted = (*catalogue.kubernetes(KUBERNETES_DEFAULT), *NODE, FLANNELD, FLANNEL_INSTALL, COREDNS, KUBEADM)
    return {program.name: program for program in wanted}


def digest() -> str:
    """The digest of all inputs."""
    built = [gobuild.digest(program) for program in _programs().values()]
    pause = gobuild.sources_digest(catalogue.PAUSE_FOLDER)
    return digest_of("kubeadm-machines-1", of_this_machine(), built, node_image.digest(), pause, PAUSE)


def find(store: Store) -> Path | None:
    """The folder with the finished files, or None."""
    folder = store.path(NAME, digest())
    return folder if folder.is_dir() else None


def build(store: Store, progress: Progress) -> Path:
    """Make the files if they do not exist. Return their folder, which machines only read."""

    def make(folder: Path) -> None:
        work = folder / ".work"
        work.mkdir()
        programs = {name: gobuild.build(program, store, progress) for name, program in _programs().items()}
        programs["pause"] = images.compile_pause(PAUSE, work, store, progress)
        images.unpack(node_image.root_file_system(store, progress), work)
        _pack(folder / PROGRAMS, places(programs).items())
        made = contents(programs, work)
        for archive, wanted in ((CONTROL_PLANE, names()), (WORKER, on_workers())):
            layout = folder / ".layout"
            layout.mkdir()
            write_bundle(layout, {name: made[name] for name in wanted}, of_this_machine())
            _pack(folder / archive, ((path.name, path) for path in sorted(layout.iterdir())))
            remove_tree(layout)
        module = module_folder("github.com/flannel-io/flannel", gobuild.GO_MODULES / FLANNELD.folder)
        (folder / FLANNEL).write_bytes((module / "Documentation" / "kube-flannel.yml").read_bytes())
        remove_tree(work)

    return store.make(NAME, digest(), make)


def places(programs: dict[str, Path]) -> dict[str, Path]:
    """Where the programs are on a machine, relative to its root."""
    tools = {f"usr/bin/{name}": programs[name] for name in ("kubeadm", "kubelet", "kubectl", *_ON_PATH)}
    return tools | {f"opt/cni/bin/{name}": programs[name] for name in _PLUGINS}


def kubernetes_image(name: str) -> str:
    """The name of an image of Kubernetes, as kubeadm asks for it."""
    return f"{REGISTRY}/{name}:v{KUBERNETES_DEFAULT}"


def _dns_image() -> str:
    return f"{REGISTRY}/coredns/coredns:{COREDNS_TAG}"


def _published(name: str) -> catalogue.Image:
    return next(image for image in catalogue.IMAGES if image.name == name)


def names() -> list[str]:
    """The images that a control-plane machine needs, and so all images."""
    return [*map(kubernetes_image, _CONTROL_PLANE), f"{REGISTRY}/etcd:{ETCD_TAG}", *on_workers()]


def on_workers() -> list[str]:
    """The images that a worker needs."""
    return [kubernetes_image("kube-proxy"), _dns_image(), _published("flannel").reference, f"{REGISTRY}/pause:{PAUSE}"]


def contents(programs: dict[str, Path], debian: Path) -> dict[str, Content]:
    """The images of a control-plane machine by name. Upstream's images of Kubernetes have the same places.

    `debian` is a folder with what `images.unpack` takes of a root file system.
    """

    def of(image: catalogue.Image, *names: str) -> Content:
        return images.content(image, {name: programs[name] for name in names}, debian)

    found = {
        kubernetes_image(name): Content(
            [[File(f"/usr/local/bin/{name}", source=programs[name])]], Settings((), (name,))
        )
        for name in _CONTROL_PLANE
    }
    members = [File(f"/usr/local/bin/{name}", source=programs[name]) for name in ("etcd", "etcdctl")]
    proxy = File("/usr/local/bin/kube-proxy", source=programs["kube-proxy"])
    return {
        **found,
        f"{REGISTRY}/etcd:{ETCD_TAG}": Content([[*members, _TEMPORARY]], Settings((), ("etcd",))),
        kubernetes_image("kube-proxy"): Content(
            [[*images.firewall(debian), File("/run"), _TEMPORARY], [proxy]], Settings((), ("kube-proxy",))
        ),
        _dns_image(): of(_published("coredns"), "coredns"),
        _published("flannel").reference: of(_published("flannel"), "flanneld", "install-conf"),
        f"{REGISTRY}/pause:{PAUSE}": of(_published("pause"), "pause"),
    }


def _pack(archive: Path, files: Iterable[tuple[str, Path]]) -> None:
    with tarfile.open(archive, "w") as tar:
        for name, path in files:
            tar.add(
                path, name, filter=lambda entry: entry.replace(uid=0, gid=0, uname="root", gname="root", deep=False)
            )
