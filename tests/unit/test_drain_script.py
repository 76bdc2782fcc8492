"""How a machine empties its node, with an API that is two small programs. Against the real one: tests/e2e/changes."""

import subprocess
from pathlib import Path

import pytest

from components.node.payload import DRAIN, VERSIONS

NODE = "worker-1"
KUBECTL = """\
#!/bin/sh
echo "kubectl $*" >>"$API/asked"
case $* in
*'get pods'*) [ ! -e "$API/no-list" ] || { echo 'Unable to connect' >&2; exit 1; }; cat "$API/pods" ;;
*'get node '*unschedulable*) cat "$API/unschedulable" ;;
*'get node '*) cat "$API/node" ;;
*'patch node worker-1 '*) [ ! -e "$API/no-patch" ] ;;
*) exit 64 ;;
esac
"""
# Answers evictions with the lines of the file POD in turn, and with its last one ever after; 201 lets the pod go.
CURL = """\
#!/bin/sh
echo "curl $*" >>"$API/asked"
output='' previous=''
for word in "$@"; do
    [ "$previous" != --output ] || output=$word
    case $word in http*) pod=${word%/eviction*}; pod=${pod##*/} ;; esac
    previous=$word
done
[ ! -e "$API/no-answer" ] || { echo 'curl: (7) refused' >&2; exit 7; }
answer=$(head -n 1 "$API/answers/$pod")
[ "$(wc -l <"$API/answers/$pod")" -le 1 ] || sed -i 1d "$API/answers/$pod"
case $answer in
201) sed -i "/ $pod stays/d" "$API/pods" ;;
429)
    cat "$API/refusal" >"$output"
    ;;
esac
printf '%s' "$answer"
"""
REFUSAL = """\
{
  "kind": "Status",
  "message": "Cannot evict pod as it would violate the pod's disruption budget.",
  "details": {
    "causes": [
      {
        "reason": "DisruptionBudget",
        "message": "The disruption budget web needs 2 healthy pods and has 2 currently"
      }
    ]
  },
  "code": 429
}
"""


class Api:
    """The folder that the programs read and write."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder / "api", folder / "root"
        programs = folder / "programs"
        for path in (
            self.folder / "answers",
            programs,
            self.root / "releases/new/bin",
            self.root / "releases/new/units",
        ):
            path.mkdir(parents=True)
        for path, text in ((self.root / "releases/new/bin/kubectl", KUBECTL), (programs / "curl", CURL)):
            path.write_text(text)
            path.chmod(0o755)
        unit = f"ExecStart=/opt/kubernetes/bin/kubelet \\\n  --hostname-override={NODE} \\\n  --node-ip=1.2.3.4\n"
        (self.root / "releases/new/units/kubelet.service").write_text(unit)
        (self.root / "releases/new/tables").mkdir()
        (self.root / "releases/new/tables/versions").write_text("kubelet 1.37.1\n")
        (self.root / "current").symlink_to("releases/new")
        (self.folder / "kubeconfig").write_text("clusters:\n- cluster:\n    server: https://127.0.0.1:16443\n")
        (self.folder / "refusal").write_text(REFUSAL)
        (self.folder / "unschedulable").write_text("<no value>")
        (self.folder / "node").write_text("v1.37.1 True\n")
        (self.folder / "asked").touch()
        self.pods({})
        self.path = f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"

    def pods(self, answers: dict[str, str]) -> None:
        """The pods of the node, and what the API says to their eviction."""
        (self.folder / "pods").write_text("".join(f"shop {pod} stays\n" for pod in answers))
        for pod, answer in answers.items():
            (self.folder / "answers" / pod).write_text("".join(f"{line}\n" for line in answer.split()))

    def call(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands after the script's functions."""
        script = f"""
set -eu
root={self.root} digest=new
say() {{ echo "{NODE}: $*"; }}
fail() {{ say "$*" >&2; exit 1; }}
before_deadline() {{ [ "$(date +%s)" -lt "$deadline" ]; }}
{VERSIONS.read_text()}
{DRAIN.read_text()}
kubeconfig={self.folder}/kubeconfig poll_seconds=0.1 deadline=$(($(date +%s) + 2))
{commands}
"""
        env = {"PATH": self.path, "API": str(self.folder)}
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30, check=False, env=env)

    def asked(self, what: str) -> list[str]:
        """The calls with `what` in them."""
        return [line for line in (self.folder / "asked").read_text().splitlines() if what in line]

    @property
    def cordons(self) -> list[bool]:
        """What `unschedulable` was set to, in turn."""
        return ["true" in line for line in self.asked("patch node")]

    @property
    def mark(self) -> Path:
        """Is there while the node is cordoned by the script."""
        return self.root / "cordoned"


@pytest.fixture
def api(tmp_path: Path) -> Api:
    """An API that says yes to everything and has no pods."""
    return Api(tmp_path)


def test_pods_are_evicted_and_the_node_comes_back(api: Api) -> None:
    api.pods({"one": "201", "two": "201"})
    done = api.call("drain 5; take_pods_again")
    assert done.returncode == 0, done.stderr
    assert api.cordons == [True, False]
    assert not api.mark.exists()
    first = api.asked("curl")[0]
    assert '"kind":"Eviction","metadata":{"namespace":"shop","name":"one"}' in first
    assert "https://127.0.0.1:16443/api/v1/namespaces/shop/pods/one/eviction" in first
    assert f"spec.nodeName={NODE}" in api.asked("get pods")[0]


def test_a_budget_that_says_no_is_asked_again(api: Api) -> None:
    api.pods({"one": "429 429 500 201"})
    done = api.call("drain 25")
    assert done.returncode == 0, done.stderr
    assert len(api.asked("curl")) == 4


def test_pods_that_stay_are_named_with_the_reason_and_the_node_takes_pods_again(api: Api) -> None:
    api.pods({"two": "429"})
    (api.folder / "pods").open("a").write("shop slow going\n")
    done = api.call("drain 1")
    assert done.returncode == 1
    assert done.stderr == (
        f"{NODE}: these pods did not leave within 1 s, so nothing was changed here: shop/two: Cannot evict pod as it "
        "would violate the pod's disruption budget. The disruption budget web needs 2 healthy pods and has 2 "
        "currently; shop/slow: was told to end and still runs;\n"
    )
    assert api.cordons == [True, False]
    assert not api.mark.exists()


def test_an_api_that_does_not_answer_is_asked_again_and_then_said(api: Api) -> None:
    api.pods({"one": "201"})
    (api.folder / "no-answer").touch()
    done = api.call("drain 1")
    assert done.returncode == 1
    assert "shop/one: curl: (7) refused;" in done.stderr


def test_an_api_that_does_not_list_the_pods_is_said(api: Api) -> None:
    (api.folder / "no-list").touch()
    done = api.call("drain 1")
    assert done.returncode == 1
    assert done.stderr.endswith("nothing was changed here: which ones is not known: Unable to connect\n")


def test_a_node_that_a_person_cordoned_stays_cordoned(api: Api) -> None:
    (api.folder / "unschedulable").write_text("true")
    done = api.call("drain 5; take_pods_again")
    assert done.returncode == 0, done.stderr
    assert api.cordons == []


def test_a_node_that_a_killed_run_left_cordoned_comes_back(api: Api) -> None:
    (api.folder / "unschedulable").write_text("true")
    api.mark.touch()
    done = api.call("drain 5; take_pods_again")
    assert done.returncode == 0, done.stderr
    assert api.cordons == [False]
    assert not api.mark.exists()


@pytest.mark.parametrize("node", ["v1.36.4 True\n", "v1.37.1 False\n", "v1.37.1 Unknown\n"])
def test_pods_come_back_when_the_api_has_seen_the_new_kubelet_and_not_before(api: Api, node: str) -> None:
    (api.folder / "node").write_text(node)
    done = api.call("drain 5; take_pods_again")
    assert done.returncode == 1
    assert "does not hold the node for Ready; it stays cordoned" in done.stderr
    assert api.cordons == [True]
    assert api.mark.exists()


def test_an_api_that_refuses_a_cordon_is_said(api: Api) -> None:
    (api.folder / "no-patch").touch()
    done = api.call("drain 5")
    assert (done.returncode, "cannot drain: the API does not let the kubelet cordon its node" in done.stderr) == (
        1,
        True,
    )


def test_a_node_that_was_not_drained_is_not_asked_about(api: Api) -> None:
    done = api.call("take_pods_again")
    assert (done.returncode, api.asked("")) == (0, [])
