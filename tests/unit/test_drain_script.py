"""How a machine drains its node, with a simulated API. With a real API: tests/e2e/changes."""

import subprocess
from pathlib import Path

import pytest
from api_stand_in import SERVER, WHY, KubeApi
from scratch_machine import ScratchMachine

from components.node import scripts

NODE = "worker-1"


class Node(ScratchMachine):
    """The machine of a worker that is about to activate the release `new`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.api = KubeApi(self, self.sysroot / "var/lib/kubelet/kubeconfig")
        release = self.root / "releases/new"
        for name, text in {
            "units/kubelet.service": f"ExecStart=/x \\\n  --hostname-override={NODE} \\\n  --x=1\n",
            "tables/versions": "kubelet 1.37.1\n",
        }.items():
            (release / name).parent.mkdir(parents=True, exist_ok=True)
            (release / name).write_text(text)
        self.says("v1.37.1 True\n")

    def says(self, node: str) -> None:
        """Set the node's state in the API: the kubelet's version, and whether the node is Ready."""
        (self.api.folder / "node").write_text(node)

    def drain_script(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands after the script's functions."""
        script = f"""
set -eu
root=$HARDWAY_ROOT digest=new
say() {{ echo "{NODE}: $*"; }}
fail() {{ say "$*" >&2; exit 1; }}
before_deadline() {{ [ "$(date +%s)" -lt "$deadline" ]; }}
{scripts.text("versions")}
{scripts.text("drain")}
poll_seconds=0.1 deadline=$(($(date +%s) + 2))
{commands}
"""
        return self.execute(["sh", "-c", script])

    @property
    def cordons(self) -> list[bool]:
        """The values that `unschedulable` of the node was set to, in order."""
        assert {name for name, _ in self.api.cordons} <= {NODE}
        return [value for _, value in self.api.cordons]

    @property
    def marker(self) -> Path:
        """The file that exists while the node is cordoned by the script."""
        return self.root / "cordoned"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node without pods, with an API that allows everything."""
    return Node(tmp_path)


def test_pods_are_evicted_and_the_node_is_uncordoned(node: Node) -> None:
    node.api.pods(NODE, {"one": "201", "two": "201"})
    done = node.drain_script("drain 5; take_pods_again")
    assert done.returncode == 0, done.stderr
    assert node.cordons == [True, False]
    assert not node.marker.exists()
    first = node.api.asked("curl")[0]
    assert '"kind":"Eviction","metadata":{"namespace":"shop","name":"one"}' in first
    assert f"{SERVER}/api/v1/namespaces/shop/pods/one/eviction" in first
    assert f"spec.nodeName={NODE}" in node.api.asked("get pods")[0]


def test_an_eviction_that_a_budget_refuses_is_tried_again(node: Node) -> None:
    node.api.pods(NODE, {"one": "429 429 500 201"})
    done = node.drain_script("drain 25")
    assert done.returncode == 0, done.stderr
    assert len(node.api.asked("curl")) == 4


def test_pods_that_stay_are_named_with_the_reason_and_the_node_takes_pods_again(node: Node) -> None:
    node.api.pods(NODE, {"two": "429"}, going="slow")
    done = node.drain_script("drain 1")
    assert done.returncode == 1
    assert done.stderr == (
        f"{NODE}: these pods did not leave within 1 s, so nothing was changed here: shop/two: {WHY}; "
        "shop/slow: was told to end and still runs;\n"
    )
    assert node.cordons == [True, False]
    assert not node.marker.exists()


def test_an_api_that_does_not_answer_is_asked_again_and_then_reported(node: Node) -> None:
    node.api.pods(NODE, {"one": "201"})
    node.api.broken("no-answer")
    done = node.drain_script("drain 1")
    assert done.returncode == 1
    assert "shop/one: curl: (7) refused;" in done.stderr


def test_an_api_that_does_not_list_the_pods_is_reported(node: Node) -> None:
    node.api.broken("no-list")
    done = node.drain_script("drain 1")
    assert done.returncode == 1
    assert done.stderr.endswith("nothing was changed here: which pods is not known: Unable to connect\n")


def test_a_node_that_a_person_cordoned_stays_cordoned(node: Node) -> None:
    node.api.cordon(NODE)
    done = node.drain_script("drain 5; take_pods_again")
    assert done.returncode == 0, done.stderr
    assert node.cordons == []


def test_a_node_that_a_killed_run_left_cordoned_is_uncordoned(node: Node) -> None:
    node.api.cordon(NODE)
    node.marker.touch()
    done = node.drain_script("drain 5; take_pods_again")
    assert done.returncode == 0, done.stderr
    assert node.cordons == [False]
    assert not node.marker.exists()


@pytest.mark.parametrize("says", ["v1.36.4 True\n", "v1.37.1 False\n", "v1.37.1 Unknown\n"])
def test_a_node_is_uncordoned_only_when_the_api_knows_the_new_kubelet_and_it_is_ready(node: Node, says: str) -> None:
    node.says(says)
    done = node.drain_script("drain 5; take_pods_again")
    assert done.returncode == 1
    assert "the node is not Ready in the API; it stays cordoned" in done.stderr
    assert node.cordons == [True]
    assert node.marker.exists()


def test_an_api_that_refuses_a_cordon_is_reported(node: Node) -> None:
    node.api.broken("no-patch")
    done = node.drain_script("drain 5")
    assert (done.returncode, "cannot drain: the API does not let the kubelet cordon its node" in done.stderr) == (
        1,
        True,
    )


def test_a_node_that_was_not_drained_needs_no_request(node: Node) -> None:
    done = node.drain_script("take_pods_again")
    assert (done.returncode, node.api.asked("")) == (0, [])
