"""Steps between versions that a preview refuses. What machines refuse: test_versions_script.py."""

import pytest
from clusters import cluster

from components.version_steps import refused_steps, versions

NOW = {"versions.kubernetes": "1.36.4", "versions.etcd": "3.7.3"}


def lines(change: dict[str, str], before: dict[str, str]) -> list[str]:
    page = cluster("stacked", {**NOW, **change}).page
    return [str(finding) for finding in refused_steps(before, page)]


@pytest.mark.parametrize(
    ("change", "before"),
    [
        ({}, {}),
        ({}, {"kubernetes": "1.36.4", "etcd": "3.7.3", "kubelet": "1.36.4"}),
        ({}, {"kubernetes": "1.35.9", "etcd": "3.6.1", "kubelet": "1.35.9"}),
        ({}, {"kubernetes": "1.36.9", "etcd": "3.7.9", "kubelet": "1.36.9"}),
        ({"versions.kubelet": "1.36.1"}, {"kubernetes": "1.36.4", "kubelet": "1.34.4"}),
    ],
)
def test_allowed(change: dict[str, str], before: dict[str, str]) -> None:
    assert lines(change, before) == []


@pytest.mark.parametrize(
    ("change", "before", "line"),
    [
        (
            {},
            {"kubernetes": "1.37.1", "kubelet": "1.37.1"},
            "hardway:versions.kubernetes: kubernetes 1.37.1 -> 1.36.4 is a downgrade; "
            "allowed: from 1.37.1: 1.37.x and 1.38.x",
        ),
        (
            {},
            {"kubernetes": "1.34.4"},
            "hardway:versions.kubernetes: kubernetes 1.34.4 -> 1.36.4 skips a minor version; "
            "allowed: from 1.34.4: 1.34.x and 1.35.x",
        ),
        (
            {},
            {"etcd": "4.0.1"},
            "hardway:versions.etcd: etcd 4.0.1 -> 3.7.3 is a downgrade; allowed: from 4.0.1: 4.0.x and 4.1.x",
        ),
        (
            {"versions.kubelet": "1.35.4"},
            {"kubernetes": "1.36.4", "kubelet": "1.36.4"},
            "hardway:versions.kubelet: kubelet 1.36.4 -> 1.35.4 is a downgrade; allowed: from 1.36.4: 1.36.x or newer",
        ),
    ],
)
def test_refused(change: dict[str, str], before: dict[str, str], line: str) -> None:
    assert lines(change, before) == [line]


def test_versions_are_what_nodes_get() -> None:
    page = cluster("stacked", {**NOW, "versions.kubelet": "1.35.4"}).page
    assert versions(page) == {"kubernetes": "1.36.4", "kubelet": "1.35.4", "etcd": "3.7.3"}
