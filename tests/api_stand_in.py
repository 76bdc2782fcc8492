"""A simulated API that consists of a few files, with simulated kubectl and curl, for the scripts that drain nodes."""

from collections.abc import Mapping
from pathlib import Path

from scratch_machine import ScratchMachine

RELEASE = "new"
KUBECTL = """\
cd API
name='' previous=''
for word; do
    [ "$previous" != node ] || name=$word
    case $word in spec.nodeName=*) name=${word#*=} ;; esac
    previous=$word
done
case " $* " in
*' get pods '*) [ ! -e no-list ] || { echo 'Unable to connect' >&2; exit 1; }; cat "pods/$name" 2>/dev/null || : ;;
*' get nodes '*) [ ! -e no-list ] || { echo 'Unable to connect' >&2; exit 1; }; cat nodes ;;
*'unschedulable}}'*) cat "cordoned/$name" 2>/dev/null || printf '<no value>' ;;
*' get node '*) cat node ;;
*' patch node '*) [ ! -e no-patch ] || exit 1
    case $* in *:true*) printf true >"cordoned/$name" ;; *) rm -f "cordoned/$name" ;; esac ;;
*) exit 64 ;;
esac
"""
# Answers evictions with the lines of the file POD, one after the other, and then always with the last line. 201 removes
# the pod.
CURL = """\
cd API
output='' previous=''
for word in "$@"; do
    [ "$previous" != --output ] || output=$word
    case $word in http*) pod=${word%/eviction*}; pod=${pod##*/} ;; esac
    previous=$word
done
[ ! -e no-answer ] || { echo 'curl: (7) refused' >&2; exit 7; }
answer=$(head -n 1 "answers/$pod")
[ "$(wc -l <"answers/$pod")" -le 1 ] || sed -i 1d "answers/$pod"
case $answer in
201) sed -i "/ $pod stays/d" pods/* ;;
429) cat refusal >"$output" ;;
esac
[ ! -e "after-$pod" ] || sh "after-$pod"
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
WHY = (
    "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 2 healthy pods "
    "and has 2 currently"
)
"""The message for REFUSAL."""
SERVER = "https://127.0.0.1:16443"


class KubeApi:
    """The simulated API, and a machine that has the release `new`."""

    def __init__(self, machine: ScratchMachine, kubeconfig: Path) -> None:
        self.folder, self._machine = machine.folder / "api", machine
        for name in ("answers", "pods", "cordoned"):
            (self.folder / name).mkdir(parents=True)
        release = machine.root / "releases" / RELEASE
        machine.program("kubectl", KUBECTL.replace("API", str(self.folder)), release / "bin")
        machine.program("curl", CURL.replace("API", str(self.folder)))
        if not machine.current:
            (machine.root / "current").symlink_to(f"releases/{RELEASE}")
        kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        kubeconfig.write_text(f"clusters:\n- cluster:\n    server: {SERVER}\n")
        (self.folder / "refusal").write_text(REFUSAL)
        self.nodes({})

    def nodes(self, nodes: Mapping[str, str]) -> None:
        """Set the nodes, each with `READY MACHINE-ID`."""
        (self.folder / "nodes").write_text("".join(f"{name} {state}\n" for name, state in nodes.items()))

    def pods(self, node: str, answers: Mapping[str, str], going: str = "") -> None:
        """Set the pods of a node, and the answers to their evictions. Pods in `going` are being deleted already."""
        lines = [f"shop {pod} stays\n" for pod in answers] + ([f"shop {going} going\n"] if going else [])
        (self.folder / "pods" / node).write_text("".join(lines))
        for pod, answer in answers.items():
            (self.folder / "answers" / pod).write_text("".join(f"{line}\n" for line in answer.split()))

    def after_eviction(self, pod: str, command: str) -> None:
        """Run a command in the folder of the API after an eviction of a pod was requested."""
        (self.folder / f"after-{pod}").write_text(command)

    def is_cordoned(self, node: str) -> bool:
        """Whether a node is cordoned."""
        return (self.folder / "cordoned" / node).exists()

    def cordon(self, node: str) -> None:
        """Cordon a node, as a person does."""
        (self.folder / "cordoned" / node).write_text("true")

    def broken(self, what: str) -> None:
        """Fail from now on: `no-list`, `no-patch`, or `no-answer` to evictions."""
        (self.folder / what).touch()

    def asked(self, what: str) -> list[str]:
        """The calls of kubectl and curl with `what` in them."""
        calls = [call for call in self._machine.calls if call.startswith(("kubectl ", "curl "))]
        return [call for call in calls if what in call]

    @property
    def cordons(self) -> list[tuple[str, bool]]:
        """The nodes that were cordoned (true) or uncordoned, in order."""
        words = [call.split() for call in self.asked(" patch node ")]
        return [(call[call.index("node") + 1], "true" in call[-1]) for call in words]
