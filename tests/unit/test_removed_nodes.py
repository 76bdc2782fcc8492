"""Removed nodes: which machines are connected to, and what the runner's shell does to simulated etcd and API."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from api_stand_in import WHY, KubeApi
from etcd_stand_in import Etcd
from scratch_machine import ScratchMachine

ROOT = Path(__file__).parents[2]
NODES = {
    "cp-1": {"address": "10.0.0.1", "identity": "a", "roles": ["control-plane", "etcd"], "machine": "a"},
    "cp-2": {"address": "10.0.0.2", "identity": "b", "roles": ["control-plane", "etcd"], "machine": "b"},
    "worker-1": {"address": "10.0.0.4", "identity": "d", "roles": ["worker"], "machine": "d"},
}
LAST = json.dumps(NODES, separators=(",", ":"))
"""The output of the last successful run of the program."""
WORKER = {"address": "10.0.0.5", "identity": "e", "roles": ["worker"], "machine": "e"}
# OpenSSH's client: records machine and command, and runs the command on the runner's scratch machine.
SSH = """\
#!/bin/sh
cd "$(dirname "$0")/.."
for word; do case $word in HostKeyAlias=*) name=${word#*=} ;; esac; done
echo "$name: $word" >>connections
if [ -e "refusal-$name" ]; then sed 1d "refusal-$name" >&2; exit "$(head -n 1 "refusal-$name")"; fi
case $word in
'cat /etc/machine-id') cat "machine-id-$name" ;;
*) . ./environment && eval "exec $word" ;;
esac
"""
HEALTHY = ("cp-1=10.0.0.1", "cp-2=10.0.0.2")


class Runner(ScratchMachine):
    """The first control-plane node, and the operator's machine before it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.etcd = Etcd(self)
        self.api = KubeApi(self, self.root / "cfg/maintenance.kubeconfig")
        self.etcd.members(*HEALTHY)
        self.api.nodes(dict.fromkeys(NODES, "True x"))
        (folder / "operator").mkdir()
        (folder / "operator/ssh").write_text(SSH)
        (folder / "operator/ssh").chmod(0o755)
        lines = (f"export {name}='{value}'\n" for name, value in self.environment().items())
        (folder / "environment").write_text("".join(lines))
        self.program("sleep", "exec /bin/sleep 0.1\n")

    def refuse(self, name: str, code: int, said: str) -> None:
        """Let ssh to a machine end with a code and a message."""
        (self.folder / f"refusal-{name}").write_text(f"{code}\n{said}\n")

    def has_machine_id(self, name: str, machine_id: str) -> None:
        """Give a node's machine an id."""
        (self.folder / f"machine-id-{name}").write_text(f"{machine_id}\n")

    def removed_nodes(
        self, nodes: Mapping[str, Any], last: str | None, drain: int = 1
    ) -> subprocess.CompletedProcess[str]:
        """Run the program; drop the records of earlier calls."""
        self.calls_file.write_text("")
        (self.folder / "connections").write_text("")
        variables = os.environ | {"PATH": f"{self.folder}/operator:{os.environ['PATH']}"}
        variables.pop("PULUMI_COMMAND_STDOUT", None)
        if last is not None:
            variables["PULUMI_COMMAND_STDOUT"] = last
        # -S: the program needs no packages but Python's own.
        command = [sys.executable, "-S", "-m", "components.membership.removed_nodes"]
        return subprocess.run(
            command,
            input=request(nodes, drain),
            env=variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    @property
    def connections(self) -> list[str]:
        """`NAME: COMMAND` of each connection of the last run."""
        return (self.folder / "connections").read_text().splitlines()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def request(nodes: Mapping[str, Any], drain: int) -> str:
    """The input of the program."""
    routes = {
        name: {"host": "127.0.0.1", "port": 20011.0 + number, "user": "root", "host_key": "ssh-ed25519 AAAA\n"}
        for number, name in enumerate(nodes)
    }
    data = {"nodes": nodes, "routes": routes, "bastion": None, "runner": "cp-1", "become": ""}
    return json.dumps(data | {"drainSeconds": float(drain), "privateKey": "the key"})


def changed(name: str = "", node: dict[str, Any] | None = None) -> dict[str, Any]:
    """The nodes with other values for one of them, or without it."""
    others = {key: value for key, value in NODES.items() if key != name}
    return others | ({name: NODES.get(name, {}) | node} if node else {})


# --- which machines are connected to -----------------------------------------------------------------------------

NONE: list[str] = []
ONCE = ["cp-1: sh -s"]


@pytest.mark.parametrize(
    ("nodes", "connections"),
    [
        (changed(), NONE),
        (changed("worker-2", WORKER), NONE),
        (changed("worker-1", {"roles": ["etcd", "worker"]}), NONE),
        (changed("worker-1"), ONCE),
        (changed("worker-1") | {"worker-2": WORKER}, ONCE),
        (changed("cp-2", {"roles": ["control-plane"]}), ONCE),
        (changed("worker-1", {"identity": "new", "machine": "new"}), ["worker-1: cat /etc/machine-id", *ONCE]),
        # The data is on a volume that was kept.
        (changed("worker-1", {"machine": "new"}), ["worker-1: cat /etc/machine-id", *ONCE]),
        (changed("worker-1", {"address": "10.0.0.9"}), ["worker-1: cat /etc/machine-id", *ONCE]),
    ],
)
def test_one_connection_if_a_node_was_removed_and_none_otherwise(
    runner: Runner, nodes: dict[str, Any], connections: list[str]
) -> None:
    runner.has_machine_id("worker-1", "x")
    done = runner.removed_nodes(nodes, LAST)
    assert (done.returncode, done.stderr, runner.connections) == (0, "", connections)
    again = runner.removed_nodes(nodes, done.stdout)
    assert (again.stdout, runner.connections) == (done.stdout, NONE)


def test_a_first_run_connects_to_the_runner_and_prints_the_nodes(runner: Runner) -> None:
    done = runner.removed_nodes(NODES, None)
    assert (done.returncode, done.stdout, done.stderr, runner.connections) == (0, f"{LAST}\n", "", ONCE)


def test_what_an_earlier_program_printed_is_understood(runner: Runner) -> None:
    """An earlier version printed no machines."""
    last = {name: {key: node[key] for key in ("address", "identity", "roles")} for name, node in NODES.items()}
    done = runner.removed_nodes(NODES, json.dumps(last))
    assert (done.returncode, runner.connections) == (0, NONE)
    assert json.loads(done.stdout)["cp-1"]["machine"] == "a"


@pytest.mark.parametrize("text", ["every node is Ready", "[]", '{"cp-1": 1}'])
def test_an_output_that_cannot_be_parsed_counts_as_a_first_run(runner: Runner, text: str) -> None:
    runner.api.nodes(dict.fromkeys([*NODES, "worker-9"], "True x"))
    runner.removed_nodes(NODES, text)
    assert (runner.connections, runner.api.asked("")) == (ONCE, [])


# --- members of etcd ---------------------------------------------------------------------------------------------


def test_members_that_the_page_no_longer_has_are_removed_dead_members_first(runner: Runner) -> None:
    runner.etcd.members(*HEALTHY, "cp-3=10.0.0.3", "cp-4=10.0.0.7")
    runner.etcd.dead(["10.0.0.7"])
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, done.stderr) == (0, "")
    assert runner.etcd.told("member remove") == ["member remove 4", "member remove 3"]
    assert runner.etcd.told("move-leader") == ["move-leader 1"] * 2
    assert runner.etcd.names == ["cp-1", "cp-2"]


def test_in_a_new_cluster_only_members_of_an_earlier_attempt_are_removed(runner: Runner) -> None:
    runner.etcd.members(*HEALTHY, "cp-9=10.0.0.9")
    runner.api.nodes(dict.fromkeys([*NODES, "worker-9"], "True x"))
    assert runner.removed_nodes(NODES, None).returncode == 0
    assert runner.etcd.names == ["cp-1", "cp-2"]
    assert runner.api.cordons == []


def test_no_member_is_removed_and_no_pod_moves_while_a_member_that_stays_is_sick(runner: Runner) -> None:
    runner.etcd.members(*HEALTHY, "cp-3=10.0.0.3")
    runner.etcd.dead(["10.0.0.2"])
    done = runner.removed_nodes(changed("worker-1"), LAST)
    # The list of nodes is not printed, so the next run tries again.
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "etcd member cp-2 is not healthy, so no other member can be removed; to be removed: cp-3. Replace or repair "
        "cp-2 and run `up` again. No member was removed\n"
    )
    assert runner.etcd.told("member remove") == runner.api.cordons == []


def test_an_etcd_that_does_not_answer_is_reported(runner: Runner) -> None:
    runner.etcd.dead(["10.0.0.1", "10.0.0.2"])
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert done.stderr == "no etcd member answers: https://10.0.0.1:2379: context deadline exceeded\n"


def test_the_removal_of_a_member_is_tried_again_if_etcd_refuses_it(runner: Runner) -> None:
    runner.etcd.members(*HEALTHY, "cp-3=10.0.0.3")
    runner.etcd.refuse("member-remove", "etcdserver: re-configuration failed due to not enough started members")
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, len(runner.etcd.told("member remove"))) == (0, 2)


# --- nodes -------------------------------------------------------------------------------------------------------


def test_all_removed_nodes_are_cordoned_before_the_first_is_drained(runner: Runner) -> None:
    runner.api.nodes({"cp-1": "True x", "cp-2": "True x", "worker-1": "True x", "worker-2": "True y"})
    runner.api.pods("worker-1", {"one": "429 201"})
    runner.api.pods("worker-2", {"two": "201"})
    done = runner.removed_nodes(changed("worker-1"), LAST, drain=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert runner.api.cordons == [("worker-1", True), ("worker-2", True)]
    changes = [call for call in runner.calls if " patch node " in call or call.startswith("curl ")]
    assert [call.startswith("curl ") for call in changes] == [False, False, True, True, True]
    assert all(f"--cert {runner.root}/ssl/maintenance/client.pem" in call for call in changes[2:])


def test_a_budget_keeps_a_node_and_its_message_is_reported(runner: Runner) -> None:
    """The node stays cordoned, and the etcd member that was to be removed as well stays a member."""
    runner.etcd.members(*HEALTHY, "cp-3=10.0.0.3")
    runner.api.pods("worker-1", {"one": "429"})
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"these pods did not leave within 1 s, so nothing was changed here: shop/one: {WHY};\n"
        "node worker-1 cannot be removed yet. Nothing was removed. To let the node take pods again: kubectl uncordon "
        "worker-1\n"
    )
    assert runner.api.is_cordoned("worker-1")
    assert runner.etcd.told("member remove") == []


def test_the_pods_of_a_dead_node_are_not_waited_for(runner: Runner) -> None:
    runner.api.nodes({"cp-1": "True x", "cp-2": "True x", "worker-1": "Unknown x"})
    runner.api.pods("worker-1", {"one": "429"})
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, done.stderr) == (0, "")
    assert (runner.api.is_cordoned("worker-1"), runner.api.asked("eviction")) == (True, [])


def test_a_drain_ends_if_the_kubelet_dies(runner: Runner) -> None:
    runner.api.pods("worker-1", {"one": "429"})
    runner.api.after_eviction("one", "sed -i 's/^worker-1 True/worker-1 Unknown/' nodes\n")
    done = runner.removed_nodes(changed("worker-1"), LAST, drain=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(runner.api.asked("eviction")) == 1


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("no-list", "the API does not list its nodes: Unable to connect"),
        ("no-patch", "node worker-1 cannot be cordoned"),
    ],
)
def test_an_api_that_refuses_is_reported(runner: Runner, broken: str, said: str) -> None:
    runner.api.broken(broken)
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, said in done.stderr) == (1, True)
    assert runner.etcd.told("member remove") == []


def test_a_new_machine_is_waited_for_until_its_own_kubelet_is_ready(runner: Runner) -> None:
    runner.has_machine_id("worker-1", "the-new-one")
    runner.api.nodes({"cp-1": "True x", "cp-2": "Unknown x", "worker-1": "True the-old-one"})
    asked = 'count=$(grep -c "get nodes" "$CALLS"); [ "$count" -lt 4 ] || '
    new = f"sed -i 's/^worker-1 .*/worker-1 True the-new-one/; s/^cp-2 .*/cp-2 True x/' {runner.api.folder}/nodes\n"
    kubectl = runner.root / "releases/new/bin/kubectl"
    kubectl.write_text(kubectl.read_text().replace("name='' previous=''", f"name='' previous=''; {asked}{new}", 1))
    done = runner.removed_nodes(changed("worker-1", {"identity": "new", "machine": "new"}), LAST)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(runner.api.asked("get nodes")) == 4


# --- machines that do not answer ---------------------------------------------------------------------------------


def test_a_runner_that_does_not_answer_is_named(runner: Runner) -> None:
    runner.refuse("cp-1", 255, "ssh: connect to host 127.0.0.1 port 20011: Connection refused")
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "cp-1: cannot be reached at 127.0.0.1:20011: Connection refused. Until that is repaired, no node and no "
        "machine is removed\n"
    )


def test_a_connection_that_breaks_is_reported_and_the_next_run_continues(runner: Runner) -> None:
    runner.etcd.members(*HEALTHY, "cp-3=10.0.0.3")
    etcdctl = runner.root / "bin/etcdctl"
    text = etcdctl.read_text()
    # The answer to the removal is lost with the connection.
    removal = '    sed -i "/^$3, /d" members\n'
    assert removal in text
    etcdctl.write_text(text.replace(removal, f'{removal}    kill -9 "$(cat shell)"\n'))
    environment = runner.folder / "environment"
    environment.write_text(environment.read_text() + f"echo $$ >{runner.etcd.folder}/shell\n")
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, done.stdout, "cp-1: " in done.stderr) == (1, "", True)
    etcdctl.write_text(text)
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert (done.returncode, runner.etcd.names, runner.etcd.told("member remove")) == (0, ["cp-1", "cp-2"], [])


def test_a_new_machine_that_does_not_answer_is_named(runner: Runner) -> None:
    runner.refuse("worker-1", 255, "ssh: connect to host 127.0.0.1 port 20013: Connection timed out")
    done = runner.removed_nodes(changed("worker-1", {"machine": "new"}), LAST)
    assert done.stderr.startswith("worker-1: cannot be reached at 127.0.0.1:20013: Connection timed out. The node")


def test_a_user_who_may_not_be_root_is_reported(runner: Runner) -> None:
    runner.refuse("cp-1", 1, "sudo: a password is required")
    done = runner.removed_nodes(changed("worker-1"), LAST)
    assert "cp-1: root may not run commands as root without a password: sudo: a password is required" in done.stderr
