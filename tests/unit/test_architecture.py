"""The architecture of each node: who says it, and what follows for programs, images and releases."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest
import yaml
from clusters import cluster, lock_data
from conftest import changed, page_values

from components.architecture import of_this_machine
from components.artifacts.choice import checked_lock, choose_image, choose_images, not_built
from components.artifacts.lock import UPSTREAM_LOCK, Lock, LockError, read_lock
from components.config import Page, load
from components.config.aws import AwsSection, architecture_of_type
from components.config.aws_places import place_nodes
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate import page as pages
from tools.operate.source import choose

GRAVITON = {"machines.worker": {"type": "m7g.large", "architecture": "arm64"}}


def page(name: str, change: dict[str, Any] | None = None) -> Page:
    return load(changed(page_values(name), change or {}))


def of_nodes(found: Page) -> dict[str, str]:
    return {node.name: found.architecture_of(node) for node in found.nodes}


# --- who says it --------------------------------------------------------------------------------------------------


def test_an_existing_host_is_amd64_unless_its_node_says_otherwise() -> None:
    assert set(of_nodes(page("existing")).values()) == {"amd64"}
    assert of_nodes(page("mixed")) == {"cp-1": "amd64", "worker-1": "arm64", "worker-2": "amd64"}
    assert page("mixed").architectures == ("amd64", "arm64")
    made = cluster("mixed")
    assert {node.name: node.architecture for node in made.topology.nodes} == of_nodes(made.page)


def test_a_machine_in_aws_has_the_architecture_of_its_group() -> None:
    assert page("aws").architectures == ("amd64",)
    found = of_nodes(page("aws", GRAVITON))
    assert found == {f"cp-{n}": "amd64" for n in "123"} | {f"worker-{n}": "arm64" for n in "123"}
    both = {"controlPlane": {"type": "m7g.large", "architecture": "arm64"}}
    assert page("aws", {"machines.controlPlane": both["controlPlane"], **GRAVITON}).architectures == ("arm64",)


@pytest.mark.parametrize(("processor", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")])
def test_local_machines_have_the_processor_of_this_host(
    monkeypatch: pytest.MonkeyPatch, processor: str, name: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: processor)
    assert page("stacked").architectures == (name,) == (of_this_machine(),)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(
            (kind, "amd64")
            for kind in ("m6i.large", "t3.micro", "c7a.xlarge", "g6.xlarge", "gr6.4xlarge", "i7ie.large")
        ),
        *(
            (kind, "arm64")
            for kind in ("m7g.large", "t4g.micro", "c7gn.large", "im4gn.large", "x2gd.metal", "a1.large")
        ),
        *((kind, "arm64") for kind in ("g5g.xlarge", "r8g.24xlarge", "is4gen.medium", "i8ge.large", "hpc7g.4xlarge")),
    ],
)
def test_names_of_instance_types_tell_the_processor(kind: str, name: str) -> None:
    assert architecture_of_type(kind) == name


# --- what follows -------------------------------------------------------------------------------------------------


def test_a_node_gets_programs_for_its_processor_from_the_committed_lock() -> None:
    found = page("mixed")
    lock = checked_lock(found, read_lock(UPSTREAM_LOCK))
    for architecture in found.architectures:
        urls = [source.url for name in ("kubelet", "etcd", "runc") for source in files(lock, found, name, architecture)]
        assert all(architecture in url for url in urls), urls


def files(lock: Lock, found: Page, name: str, architecture: str) -> tuple[Any, ...]:
    version = {"kubelet": found.versions.of_kubelet, "etcd": found.versions.etcd, "runc": found.versions.runc}[name]
    return lock.artifact(name, version, architecture).sources


def test_only_the_node_with_another_processor_gets_another_release() -> None:
    """And the release of an amd64 node is the one that it would have without arm64 nodes in the cluster."""
    mixed, plain = cluster("mixed"), cluster("mixed", {"nodes[1].architecture": None})
    assert mixed.topology.node("worker-1").architecture == "arm64"
    different = [node.name for node in mixed.topology.nodes if mixed.release(node.name) != plain.release(node.name)]
    assert different == ["worker-1"]
    programs = {
        name
        for name, digest in mixed.release("worker-1").manifest.items()
        if plain.release("worker-1").manifest[name] != digest
    }
    assert programs == set(mixed.part("worker-1").artifacts), "the same files, other programs"


def test_images_have_one_reference_or_one_for_each_architecture() -> None:
    found, lock = page("mixed"), read_lock(UPSTREAM_LOCK)
    pause, flannel = choose_images(found, lock, "pause"), choose_images(found, lock, "flannel")
    assert set(pause) == set(flannel) == {"amd64", "arm64"}
    assert len(set(pause.values())) == 1, "the digest of an index"
    assert len(set(flannel.values())) == 2
    assert choose_image(found, lock, "coredns") == choose_images(found, lock, "coredns")["arm64"]


def test_an_image_that_runs_anywhere_needs_an_index() -> None:
    found = page("mixed")
    data = lock_data(found)
    (image,) = data["images"]["coredns"].values()
    image["digest"] = {"amd64": "sha256:aa", "arm64": "sha256:bb"}
    lock = Lock(Path("a.lock.json"), data, upstream=True)
    with pytest.raises(LockError) as caught:
        checked_lock(found, lock)
    assert str(caught.value) == (
        f"a.lock.json: the image coredns {found.versions.coredns} has a digest for each of amd64, arm64, and its pods "
        "may run on nodes of all of them; replace its digests by null and run `make lock` on a machine that reaches "
        "the internet: that finds the digest of the index"
    )
    # One architecture needs no index.
    assert checked_lock(page("mixed", {"nodes[1].architecture": None}), lock) is lock


def test_a_lock_without_the_architecture_of_a_node_is_one_sentence() -> None:
    found = page("mixed")
    data = lock_data(page("mixed", {"nodes[1].architecture": None}))
    with pytest.raises(LockError) as caught:
        checked_lock(found, Lock(Path("a.lock.json"), data, upstream=True))
    assert "no kubelet 1.37.1 for arm64, it has: none" in str(caught.value)
    assert str(caught.value).count("run `make lock ADD=") == 1


# --- programs that are built --------------------------------------------------------------------------------------


BUILT = (
    "programs are built for the architecture of the machine that builds them (amd64), and worker-1 is arm64; "
    "set hardway:artifacts.source to upstream: release files exist for every architecture"
)


def test_built_programs_have_one_architecture() -> None:
    found = page("mixed")
    assert not_built(found, ["amd64"]) == BUILT
    assert not_built(found, ["amd64", "arm64"]) is None
    assert not_built(page("existing"), ["amd64"]) is None
    assert str(not_built(page("existing"), ["arm64"])).startswith(
        "programs are built for the architecture of the machine that builds them (arm64), and cp-1 is amd64 and cp-2"
    )
    data = lock_data(page("mixed", {"nodes[1].architecture": None}))
    with pytest.raises(LockError) as caught:
        checked_lock(found, Lock(Path("a.lock.json"), data))
    assert str(caught.value) == f"a.lock.json: {BUILT}"


def clone_with(folder: Path, values: dict[str, Any]) -> Clone:
    clone = Clone(folder)
    clone.page("dev").write_text(yaml.safe_dump({"config": {f"hardway:{key}": item for key, item in values.items()}}))
    return clone


def test_nothing_is_built_for_nodes_that_could_not_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    built = {"artifacts": {"source": "mirror", "mirror": "http://mirror.example.com"}}
    with pytest.raises(ToolError) as caught:
        choose(clone_with(tmp_path, page_values("mixed") | built), "dev")
    assert str(caught.value) == f"Pulumi.dev.yaml: {BUILT}"
    assert choose(clone_with(tmp_path, page_values("existing") | built), "dev").name == "mirror"
    assert choose(clone_with(tmp_path, page_values("mixed")), "dev").name == "upstream"
    # Local machines have the processor of this host, for which programs are built.
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    local = page_values("stacked") | {"artifacts": {"source": "mirror"}}
    assert choose(clone_with(tmp_path, local), "dev").name == "mirror"


# --- what the tools read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change"), [("mixed", {}), ("existing", {}), ("stacked", {}), ("aws", {}), ("aws", GRAVITON)]
)
def test_the_tools_read_the_same_architectures(tmp_path: Path, name: str, change: dict[str, Any]) -> None:
    values = changed(page_values(name), change)
    read = pages.load(clone_with(tmp_path, values).page("dev"))
    assert of_nodes(read) == of_nodes(load(values))


@pytest.mark.parametrize("nodes", ["secret", {"secure": "v1:xyz"}, [], ["x"], [{"name": 1, "roles": 2}], None])
def test_nodes_that_only_pulumi_can_read_count_as_usual(tmp_path: Path, nodes: Any) -> None:
    """The program says what is wrong with them."""
    values = {"machines": {"provider": "existing"}, "nodes": nodes}
    assert pages.load(clone_with(tmp_path, values).page("dev")).architectures == ("amd64",)
    values = {"machines": {"provider": "aws", "worker": "x"}, "nodes": json.dumps([{"name": "a", "roles": ["worker"]}])}
    assert pages.load(clone_with(tmp_path, values).page("dev")).architectures == ("amd64",)


def test_places_are_known_for_every_node_of_aws() -> None:
    """The comparison with machines that exist needs the address of each node."""
    found = page("aws", GRAVITON)
    assert isinstance(found.machines, AwsSection)
    assert set(place_nodes(found.machines, found.nodes)) == {node.name for node in found.nodes}
