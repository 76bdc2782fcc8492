"""The lock: artifacts and digests, and messages about missing entries."""

import json
from pathlib import Path

import pytest
from clusters import NAMES, cluster, lock_data, sha256

from components.artifacts.choice import artifact_versions, choose_lock
from components.artifacts.lock import UPSTREAM_LOCK, Artifact, Lock, LockError, Source, read_lock

RUN = 'run `make lock ADD="{}"` on a machine that reaches the internet'
NO_OTHER = "`make tools` builds one version of each, the default of the page; artifacts.source: upstream has others"


def lock(sha: str | None = sha256("etcd"), digest: str | None = "sha256:00", *, upstream: bool = False) -> Lock:
    """A small lock."""
    source = {"url": "https://x/etcd.tar.gz", "sha256": sha, "archive": "tar.gz", "files": {"etcd": "e/etcd"}}
    artifacts = {"etcd": {version: {"amd64": [source]} for version in ("3.6.9", "3.7.3")}}
    image = {"reference": "registry.k8s.io/pause:3.10", "digest": digest}
    return Lock(Path("a.lock.json"), {"artifacts": artifacts, "images": {"pause": {"3.10": image}}}, upstream)


def test_an_artifact() -> None:
    source = Source("https://x/etcd.tar.gz", sha256("etcd"), "tar.gz", {"etcd": "e/etcd"})
    assert lock().artifact("etcd", "3.7.3", "amd64") == Artifact("etcd", "3.7.3", (source,))


def test_an_image_is_pinned_by_its_digest() -> None:
    assert lock().image("pause", "3.10", "amd64") == "registry.k8s.io/pause:3.10@sha256:00"


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("etcd", "3.5.0", f"a.lock.json: no etcd 3.5.0 for amd64, it has: 3.6.9, 3.7.3; {NO_OTHER}"),
        ("runc", "1.5.2", f"a.lock.json: no runc 1.5.2 for amd64, it has: none; {NO_OTHER}"),
    ],
)
def test_an_artifact_that_is_missing(name: str, version: str, message: str) -> None:
    with pytest.raises(LockError) as caught:
        lock().artifact(name, version, "amd64")
    assert str(caught.value) == message


def test_an_architecture_that_is_missing() -> None:
    with pytest.raises(LockError, match=r"no etcd 3\.7\.3 for arm64"):
        lock().artifact("etcd", "3.7.3", "arm64")


def test_an_image_that_is_missing() -> None:
    with pytest.raises(LockError) as caught:
        lock().image("pause", "3.9", "amd64")
    assert str(caught.value) == f"a.lock.json: no image pause 3.9, it has: 3.10; {NO_OTHER}"


def test_an_image_with_a_digest_for_each_architecture() -> None:
    of_each = {"reference": "ghcr.io/x/flannel:v1", "digest": {"amd64": "sha256:aa", "arm64": "sha256:bb"}}
    small = Lock(Path("a.lock.json"), {"artifacts": {}, "images": {"flannel": {"1": of_each}}})
    assert small.image("flannel", "1", "amd64") == "ghcr.io/x/flannel:v1@sha256:aa"
    assert small.image("flannel", "1", "arm64") == "ghcr.io/x/flannel:v1@sha256:bb"
    with pytest.raises(
        LockError, match=r"^a\.lock\.json: no digest for ghcr\.io/x/flannel:v1 for riscv64, it has: amd64, arm64; "
    ):
        small.image("flannel", "1", "riscv64")


@pytest.mark.parametrize("digest", [None, ""])
def test_nothing_without_a_digest_is_fetched(digest: str | None) -> None:
    with pytest.raises(LockError) as caught:
        lock(sha=digest, upstream=True).artifact("etcd", "3.7.3", "amd64")
    assert str(caught.value) == f"a.lock.json: no sha256 for https://x/etcd.tar.gz; {RUN.format('etcd=3.7.3')}"
    with pytest.raises(LockError) as caught:
        lock(digest=digest, upstream=True).image("pause", "3.10", "amd64")
    assert str(caught.value) == f"a.lock.json: no digest for registry.k8s.io/pause:3.10; {RUN.format('pause=3.10')}"


def test_a_lock_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        read_lock(tmp_path / "lock.json")
    assert str(caught.value) == f"{tmp_path}/lock.json: not found; `make tools` writes the lock of the local mirror"


def test_versions_outside_of_the_lock_are_one_sentence_with_one_command() -> None:
    versions = {"kubernetes": "1.36.9", "kubelet": "1.36.8", "etcd": "3.6.99", "coredns": "1.14.99"}
    with pytest.raises(LockError) as caught:
        choose_lock(cluster("stacked", {"artifacts.source": "upstream", "versions": versions}).page)
    text = str(caught.value)
    assert text.startswith(f"{UPSTREAM_LOCK}: no kube-apiserver 1.36.9 for amd64, it has: 1.36.3, 1.37.1; no kube-")
    assert "no etcd 3.6.99 for amd64" in text and "no image coredns 1.14.99" in text
    added = "kubernetes=1.36.9 kubernetes=1.36.8 etcd=3.6.99"
    assert text.endswith(f"; {RUN.format(f'{added} coredns=1.14.99')}")


def test_a_version_that_is_not_built_is_one_sentence_with_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/artifacts.lock.json").write_text(json.dumps(lock_data(cluster("stacked").page)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LockError, match=r'; run `make from-source KUBERNETES="1\.36\.4"`$'):
        choose_lock(cluster("stacked", {"versions.kubernetes": "1.36.4"}).page)


def test_the_page_chooses_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = cluster("stacked").page
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/artifacts.lock.json").write_text(json.dumps(lock_data(page)))
    monkeypatch.chdir(tmp_path)
    assert choose_lock(page).data == lock_data(page)
    upstream = cluster("stacked", {"artifacts.source": "upstream"}).page
    assert choose_lock(upstream).data == json.loads(UPSTREAM_LOCK.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_versions_of_the_page_choose_the_artifacts(name: str) -> None:
    made = cluster(name)
    versions = made.page.versions
    for node in made.topology.nodes:
        chosen = made.artifacts(node.name)
        assert list(chosen) == list(made.part(node.name).artifacts)
        for artifact in chosen.values():
            field = artifact.name.replace("-", "_")
            wanted = versions.of_kubelet if field in ("kubelet", "kube_proxy") else getattr(versions, field, None)
            assert artifact.version == (wanted or versions.kubernetes), artifact.name


def test_kubelets_may_stay_behind() -> None:
    versions = artifact_versions(cluster("stacked", {"versions.kubelet": "1.35.4"}).page)
    behind = {name for name, version in versions.items() if version == "1.35.4"}
    assert behind == {"kubelet", "kube-proxy"}


def test_upstreams_lock_names_everything_that_a_default_page_needs() -> None:
    data = json.loads(UPSTREAM_LOCK.read_text())
    page = cluster("stacked").page
    for name, versions in lock_data(page)["artifacts"].items():
        for version, architectures in versions.items():
            sources = data["artifacts"][name][version]["amd64"]
            programs = {program for source in architectures["amd64"] for program in source["files"]}
            assert programs <= {program for source in sources for program in source["files"]}, name
            for source in sources:
                assert set(source) == {"url", "sha256", "archive", "files"}, name
                assert source["url"].startswith("https://"), name
                assert source["archive"] in (None, "tar.gz"), name
    for name, versions in lock_data(page)["images"].items():
        for version, image in versions.items():
            assert data["images"][name][version]["reference"] == image["reference"]
