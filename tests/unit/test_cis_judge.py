"""The judgement: what passes, what is answered, what somebody has to act on; and the page."""

import json
from pathlib import Path

import pytest

from tools.cis import table
from tools.cis.answers import Answer
from tools.cis.benchmark import NODE, POLICIES, Control
from tools.cis.findings import FAIL, NOT_APPLICABLE, PASS, WARN, Finding, Machine, Measurement, parse
from tools.cis.judge import API, Verdict, judge

# Output of `kube-bench run --json` (0.15.6, cis-1.12, target node) on a host without Kubernetes.
REAL = (Path(__file__).parents[1] / "data" / "cis" / "node.json").read_text()
FILES, MANUAL, POLICY = (
    Control("4.1.1", "Ensure that the kubelet service file permissions are set to 600 (Automated)", NODE),
    Control("4.2.7", "Ensure that the --hostname-override argument is not set (Manual)", NODE),
    Control("5.6.2", "Ensure that the seccomp profile is set (Manual)", POLICIES),
)
ROLES = {"cp-1": ["control-plane"], "worker-1": ["worker"]}
YES, NO = Measurement(True), Measurement(False, "no mode 600")


def verdict(
    control: Control,
    states: dict[str, str],
    answer: Answer | None = None,
    measured: dict[str, Measurement] | None = None,
    api: Measurement | None = None,
) -> Verdict:
    """The verdict about a control with these findings. `measured` is by node."""
    machines = [
        Machine(node, "", {control.id: Finding(state, "permissions=644")}, {control.id: got} if got else {})
        for node, state in states.items()
        for got in ((measured or {}).get(node),)
    ]
    answers = {control.id: answer} if answer else {}
    (found,) = judge({control.id: control}, ROLES, machines, {control.id: api} if api else {}, answers)
    return found


def test_a_fail_without_an_answer_fails() -> None:
    found = verdict(FILES, {"cp-1": PASS, "worker-1": FAIL})
    assert found.problems == ("worker-1: FAIL without an answer: permissions=644",) and found.state == FAIL


def test_a_warning_without_an_answer_fails() -> None:
    found = verdict(MANUAL, {"cp-1": WARN, "worker-1": WARN})
    assert len(found.problems) == 2 and found.state == WARN


def test_what_passes_needs_no_answer_and_no_measurement() -> None:
    found = verdict(FILES, {"cp-1": PASS, "worker-1": PASS}, Answer("Never needed.", "false"), {"cp-1": NO})
    assert (found.problems, found.answer, dict(found.measured)) == ((), None, {})


def test_an_answer_counts_only_with_its_measurement() -> None:
    """On each machine where the control does not pass."""
    answer = Answer("We do it otherwise.", "test")
    states = {"cp-1": PASS, "worker-1": FAIL}
    assert verdict(FILES, states, answer, {"cp-1": NO, "worker-1": YES}).problems == ()
    (problem,) = verdict(FILES, states, answer, {"cp-1": YES, "worker-1": NO}).problems
    assert problem == "worker-1: the measurement shows that the answer does not hold: no mode 600"
    (problem,) = verdict(FILES, states, answer).problems
    assert problem.endswith(": there is no measurement")
    assert verdict(FILES, states, Answer("Nothing to measure.")).problems == ()


def test_a_machine_that_is_shown_to_have_nothing_of_the_kind_is_not_concerned() -> None:
    """The worst finding of the others counts. Without the proof, FAIL stays, and somebody has to act."""
    answer = Answer("There is no such file.", "test", applies=False)
    states = {"cp-1": PASS, "worker-1": FAIL}
    found = verdict(FILES, states, answer, {"worker-1": YES})
    assert (found.problems, found.state, found.findings["worker-1"].state) == ((), PASS, NOT_APPLICABLE)
    assert (table.cell(found, ["cp-1"]), table.cell(found, ["worker-1"])) == ("PASS", "N/A")
    everywhere = verdict(FILES, dict.fromkeys(states, FAIL), answer, dict.fromkeys(states, YES))
    assert everywhere.state == NOT_APPLICABLE
    assert table.summary([found, everywhere]) == "2 controls: 1 PASS, 0 FAIL, 0 WARN, 1 N/A; 0 open"
    there = verdict(FILES, states, answer, {"worker-1": NO})
    assert there.state == FAIL and there.problems[0].endswith("the answer does not hold: no mode 600")


def test_a_policy_is_measured_with_kubectl_or_on_the_machines() -> None:
    """kube-bench says nothing about policies, so each needs an answer."""
    states = {"cp-1": PASS, "worker-1": PASS}
    assert verdict(POLICY, states).problems
    assert verdict(POLICY, states, Answer("Yes.", api="test"), api=YES).problems == ()
    assert verdict(POLICY, states, Answer("Yes.", api="test"), api=NO).problems[0].startswith(f"{API}: ")
    both = {"cp-1": YES, "worker-1": NO}
    assert verdict(POLICY, states, Answer("Yes.", "test"), both).problems[0].startswith("worker-1: ")


def test_a_control_without_a_finding_is_told() -> None:
    """As with a kube-bench that runs fewer controls than the benchmark has."""
    machines = [Machine("cp-1", "", {}), Machine("worker-1", "", {FILES.id: Finding(PASS)})]
    (found,) = judge({FILES.id: FILES}, ROLES, machines, {}, {})
    assert found.problems == ("cp-1: kube-bench has no finding",)


def test_a_word_that_kube_bench_did_not_have_is_no_pass() -> None:
    assert verdict(FILES, {"cp-1": "INFO", "worker-1": PASS}).problems
    assert verdict(FILES, {"cp-1": "INFO", "worker-1": FAIL}).state == "INFO"


def test_the_page_shows_each_control_by_kind_of_machine() -> None:
    answered = verdict(MANUAL, {"cp-1": PASS, "worker-1": WARN}, Answer("The page names the node."))
    open_still = verdict(FILES, {"cp-1": FAIL, "worker-1": PASS})
    silent = Machine("cp-2", "no answer within 600 s")
    page = list(table.lines([open_still, answered], ROLES, [silent]))
    assert page[0].split() == ["control", "control-plane", "worker", "text"]
    assert page[1].split()[:3] == ["4.1.1", "FAIL", "PASS"] and "(Automated)" not in page[1]
    assert page[2].split()[:3] == ["4.2.7", "PASS", "WARN*"] and page[2].endswith("(manual)")
    assert "- 4.2.7 The page names the node." in page
    act = page[page.index("Somebody has to act:") :]
    assert act[1] == "- machine cp-2 was not judged: no answer within 600 s"
    assert act[2] == "- 4.1.1 cp-1: FAIL without an answer: permissions=644"
    assert page[-1] == "2 controls: 0 PASS, 1 FAIL (0 answered *), 1 WARN (1 answered *), 0 N/A; 1 open"


def test_programs_get_the_same() -> None:
    found = verdict(MANUAL, {"cp-1": PASS, "worker-1": WARN}, Answer("Yes.", "test"), {"worker-1": YES})
    document = json.loads(json.dumps(table.document("dev", [found], ROLES, [])))
    (control,) = document["controls"]
    assert (control["id"], control["state"], control["answer"], control["problems"]) == ("4.2.7", "WARN", "Yes.", [])
    assert control["measured"] == {"worker-1": {"succeeded": True, "said": ""}}
    assert document["kinds"] == {"control-plane": ["cp-1"], "worker": ["worker-1"]} and document["silent"] == {}


def test_findings_of_a_real_kube_bench() -> None:
    """Scored controls FAIL and others WARN on a host that has nothing of Kubernetes."""
    found = parse("host", f"run\t{REAL.strip()}\nend\n").findings
    assert len(found) == 25 and {finding.state for finding in found.values()} == {PASS, FAIL, WARN}
    assert found["4.1.1"].state == FAIL and found["4.2.7"].state == WARN
    assert found["4.1.2"] == Finding(PASS, "File not found")
    assert found["4.2.1"].actual.startswith('failed to run: "/bin/ps -fC kubelet"')


@pytest.mark.parametrize(
    "text", ["", f"run\t{REAL.strip()}\n", "run\t{\nend\n", "run\nend\n", "measured\t1.1.1\nend\n"]
)
def test_other_output_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cut off|something else"):
        parse("host", text)
