"""What a mirror of images may say: digests always, tags only if nobody on the way can answer."""

import tomllib

import pytest
from clusters import NAMES, cluster

from components.node.model import NodePart
from components.node.render.containerd import container_runtime
from components.node.traits import Traits

PAUSE = "registry.k8s.io/pause:3.10@sha256:" + "0" * 64


def capabilities(part: NodePart, registry: str) -> list[str]:
    """The capabilities of the only mirror of a registry."""
    (found,) = [file for file in part.files if file.path == f"cfg/registries/{registry}/hosts.toml"]
    assert isinstance(found.content, str)
    (host,) = tomllib.loads(found.content)["host"].values()
    return list(host["capabilities"])


@pytest.mark.parametrize(
    ("mirror", "closed", "expected"),
    [
        ("http://mirror.example.com:5000", (), ["pull"]),
        ("HTTP://mirror.example.com", (), ["pull"]),
        ("https://mirror.example.com", (), ["pull", "resolve"]),
        # The gateway of local machines: no packet leaves the host.
        ("http://10.100.7.2:5000", ("http://10.100.7.2:5000",), ["pull", "resolve"]),
        ("http://mirror.example.com:5000", ("http://10.100.7.2:5000",), ["pull"]),
    ],
)
def test_tags_are_resolved_only_where_nobody_is_on_the_way(
    mirror: str, closed: tuple[str, ...], expected: list[str]
) -> None:
    part = container_runtime(PAUSE, {"docker.io": mirror}, Traits(), None, closed)
    assert capabilities(part, "docker.io") == expected


@pytest.mark.parametrize("name", NAMES)
def test_images_of_the_cluster_need_no_tags(name: str) -> None:
    """A mirror that serves digests only is enough for the sandbox image. `image-digest` judges all other images."""
    made = cluster(name)
    for node in made.topology.nodes:
        for file in made.part(node.name).files:
            if file.path == "cfg/containerd.toml":
                assert isinstance(file.content, str)
                images = tomllib.loads(file.content.replace("@SYSTEMD_CGROUP@", "true"))
                plugin = images["plugins"]["io.containerd.cri.v1.images"]
                assert "@sha256:" in plugin["pinned_images"]["sandbox"]
