"""What the pure renderers write, against goldens: whole nodes, leaf certificates, the local gateway, add-ons."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import goldens
import pytest
from clusters import NAMES, cluster

from components.addons.coredns import corefile
from components.artifacts.choice import choose_artifacts, choose_images
from components.artifacts.lock import UPSTREAM_LOCK, read_lock
from components.config.existing import ExistingSection
from components.machines.gateway import gateway_files
from components.machines.needs import needs_of
from components.network_plugins.flannel.objects import net_conf
from components.node.model import NodeFile, Ref, Unit
from components.node.payload import Entry
from components.node.render.vip import virtual_address
from components.pki.encryption import encryption_config
from components.pki.kubeconfig import embedded
from components.pki.leaves import plan_leaves

# One node of each kind that a cluster has.
NODES = {
    "stacked": ("cp-1", "worker-1"),
    "dedicated_etcd": ("etcd-1", "cp-2", "worker-2"),
    "one_master": ("node1", "node2"),
}


def node(name: str, of: str) -> str:
    """Everything that is on a node, as one text."""
    part = cluster(name).part(of)
    lists = {
        "users": part.users,
        "programs of the operating system": part.commands,
        "artifacts": part.artifacts,
        "directories": [f"{d.path} {d.owner} {d.mode:04o}" for d in part.directories],
        "units, in the order of their start": [unit.name for unit in part.units],
    }
    blocks = [f"# {title}\n{_lines(items)}" for title, items in lists.items()]
    blocks += [_file(file) for file in sorted(part.files, key=lambda file: file.path)]
    return "\n".join([*blocks, *(_unit(unit) for unit in part.units)])


def _file(file: NodeFile) -> str:
    content = f"<material {file.content.name}>\n" if isinstance(file.content, Ref) else file.content
    end = "" if content.endswith("\n") else "\n(without a line break at its end)\n"
    reader = f", read by {file.reader}" if file.reader else ""
    return f"# file {file.path} root:root {file.mode:04o}{reader}\n{content}{end}"


def _unit(unit: Unit) -> str:
    triggers = f"restarted for: {' '.join(unit.restart_on) or '-'}\nreloaded for: {' '.join(unit.reload_on) or '-'}"
    return f"# unit {unit.name}\n{triggers}\nhealthy when: {unit.health}\n\n{unit.text}"


def _lines(items: Iterable[str]) -> str:
    return "".join(f"{item}\n" for item in items) or "none\n"


def leaves(name: str) -> str:
    """One line per leaf certificate."""
    rows = [("name", "authority", "profile", "common name", "group", "names and addresses")]
    for leaf in plan_leaves(cluster(name).page, cluster(name).topology):
        sans = ", ".join((*leaf.dns_names, *leaf.ip_addresses)) or "-"
        rows.append((leaf.name, leaf.authority, leaf.profile, leaf.common_name, leaf.organization or "-", sans))
    # The widths are fixed, so that a longer name changes its own line only.
    return "".join("{:<32} {:<12} {:<8} {:<32} {:<30} {}\n".format(*row) for row in rows)


def gateway(name: str) -> str:
    """Every file of the gateway of a local stack."""
    return "\n".join(_entry(entry) for entry in gateway_files(cluster(name).topology))


def _entry(entry: Entry) -> str:
    return f"# file /{entry.path} root:root {entry.mode:04o}\n{entry.content}"


def dns(name: str) -> str:
    """The configuration of CoreDNS."""
    page = cluster(name).page
    return corefile(page.cluster.domain, page.dns.upstreams)


def pod_network(name: str) -> str:
    """The configuration of flannel."""
    return net_conf(cluster(name).page.network)


def kubeconfig(name: str) -> str:
    """The kubeconfig of a person."""
    topology = cluster(name).topology
    pem = {"ca": "certificate of the authority\n", "cert": "certificate of the admin\n", "key": "key of the admin\n"}
    return embedded(cluster=topology.cluster_name, server=topology.endpoint_url, user="admin", **pem)


def vip(of: str) -> str:
    """What a node has for the virtual address."""
    made = cluster("existing")
    assert made.page.machines.virtual_address is not None
    part = virtual_address(made.page, made.page.machines.virtual_address, made.topology, made.topology.node(of))
    return "\n".join([*map(_file, part.files), *map(_unit, part.units)])


def digests() -> str:
    """The name of each node's release. A change here means that a running cluster stages and activates new releases.

    What is renewed by itself (certificates, keys) stands as its name, programs as their versions.
    """
    lines = []
    for name in (*NAMES, "existing", "mixed"):
        made = cluster(name)
        lines += [f"{name} {node.name} {made.release(node.name).digest}\n" for node in made.topology.nodes]
    return "".join(lines)


def needs(name: str) -> str:
    """The requirements that the preflight checks on every host."""
    made = cluster(name)
    assert isinstance(made.page.machines, ExistingSection)
    lines = []
    for node in made.topology.nodes:
        asked = needs_of(made.page, made.page.machines, made.topology, node)
        lines += [f"# {node.name}", *(f"{name}={value}" for name, value in asked.items()), ""]
    return "\n".join(lines)


def release_files(name: str) -> str:
    """What every node fetches, with the committed lock: addresses, digests, and the image of the sandbox."""
    made, lock = cluster(name), read_lock(UPSTREAM_LOCK)
    lines = []
    for node in made.topology.nodes:
        chosen = choose_artifacts(made.page, lock, made.part(node.name).artifacts, node.architecture)
        files = [source for artifact in chosen.values() for source in artifact.sources]
        pause = choose_images(made.page, lock, "pause")[node.architecture]
        lines += [f"# {node.name}", *(f"{file.sha256}  {file.url}" for file in files), pause, ""]
    return "\n".join(lines)


CASES: goldens.Cases = {
    "digests.txt": digests,
    "existing/vip-cp-2.txt": partial(vip, "cp-2"),
    "existing/needs.txt": partial(needs, "existing"),
    "mixed/needs.txt": partial(needs, "mixed"),
    "mixed/release-files.txt": partial(release_files, "mixed"),
    "mixed/worker-1.txt": partial(node, "mixed", "worker-1"),
    **{f"{name}/{of}.txt": partial(node, name, of) for name, nodes in NODES.items() for of in nodes},
    **{f"{name}/leaves.txt": partial(leaves, name) for name in NAMES},
    **{f"{name}/gateway.txt": partial(gateway, name) for name in NAMES},
    **{f"{name}/Corefile": partial(dns, name) for name in NAMES},
    **{f"{name}/net-conf.json": partial(pod_network, name) for name in NAMES},
    "stacked/admin.kubeconfig": partial(kubeconfig, "stacked"),
    "stacked/encryption.json": partial(encryption_config, [(1, "32 bytes in base64")]),
}


FOLDER = goldens.FOLDER / "render"


@pytest.mark.parametrize("name", goldens.names(FOLDER, CASES))
def test_golden(name: str) -> None:
    goldens.check(FOLDER, name, CASES)


def test_rendering_twice_gives_the_same() -> None:
    for name, render in CASES.items():
        assert render() == render(), name


# --- the harness itself ------------------------------------------------------------------------------------------


@pytest.fixture
def comparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this run does, these tests compare."""
    monkeypatch.delenv(goldens.VARIABLE, raising=False)


@pytest.mark.usefixtures("comparing")
def test_a_golden_that_differs_fails_with_a_diff(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    goldens.check(tmp_path, "a.txt", {"a.txt": lambda: "one\ntwo\nthree\n"})
    with pytest.raises(pytest.fail.Exception, match=r"(?s)-two\n\+2\n three.*UPDATE_GOLDENS=1"):
        goldens.check(tmp_path, "a.txt", {"a.txt": lambda: "one\n2\nthree\n"})


@pytest.mark.usefixtures("comparing")
def test_a_golden_that_is_missing_fails(tmp_path: Path) -> None:
    assert goldens.names(tmp_path, {"a.txt": str}) == ["a.txt"]
    with pytest.raises(pytest.fail.Exception, match="missing"):
        goldens.check(tmp_path, "a.txt", {"a.txt": str})


@pytest.mark.usefixtures("comparing")
def test_a_golden_that_is_left_over_fails(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("nobody gives this")
    assert goldens.names(tmp_path, {}) == ["b.txt"]
    with pytest.raises(pytest.fail.Exception, match="left over"):
        goldens.check(tmp_path, "b.txt", {})


def test_goldens_are_written_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(goldens.VARIABLE, "1")
    (tmp_path / "b.txt").write_text("nobody gives this")
    cases: goldens.Cases = {"deep/a.txt": lambda: "text"}
    for name in goldens.names(tmp_path, cases):
        with pytest.raises(pytest.skip.Exception, match=r"written|removed"):
            goldens.check(tmp_path, name, cases)
    assert goldens.names(tmp_path, {}) == ["deep/a.txt"]
    goldens.check(tmp_path, "deep/a.txt", cases)


def test_every_folder_of_goldens_has_a_module_that_checks_it() -> None:
    modules = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for folder in goldens.FOLDER.iterdir():
        assert f'goldens.FOLDER / "{folder.name}"' in modules, f"{folder} is left over"
