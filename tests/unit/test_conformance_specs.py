"""Specs and results from ginkgo's reports, their choice, the answers, and the progress."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.common.errors import ToolError
from tools.conformance import answers, choice, ginkgo, specs
from tools.conformance.answers import Answer
from tools.conformance.specs import Result, Spec
from tools.conformance.watch import Watch

# The conformance suite of 1.37.1, from a dry run of e2e.test; S: serial.
RECORDED = Path(__file__).parents[1] / "data" / "conformance" / "specs.txt"
KNOWN = {line[2:]: Spec(line[2:], is_serial=line.startswith("S ")) for line in RECORDED.read_text().splitlines()}
GIVEN = Path("own.yaml")


def entry(text: str, state: str = "passed", **more: Any) -> dict[str, Any]:
    """A spec in a report as ginkgo 2.32.0 writes it: lists without elements are null."""
    return {
        "ContainerHierarchyTexts": ["[sig-node] Pods"],
        "ContainerHierarchyLabels": [["sig-node"], None],
        "LeafNodeType": "It",
        "LeafNodeLabels": ["Conformance"],
        "LeafNodeText": text,
        "State": state,
        "RunTime": 2_500_000_000,
        **more,
    }


def report(*entries: dict[str, Any], **more: Any) -> str:
    return json.dumps([{"SpecReports": list(entries), "SpecialSuiteFailureReasons": None, **more}])


def test_specs_of_the_suite_have_its_label() -> None:
    """The label of a container counts for its specs."""
    found = specs.conformance(
        report(
            entry("should run [Conformance]"),
            entry("should sleep", LeafNodeLabels=None),
            entry("should stop [Conformance]", ContainerHierarchyLabels=[["Serial"]]),
            {**entry("", LeafNodeLabels=None, ContainerHierarchyLabels=None), "LeafNodeType": "BeforeSuite"},
        )
    )
    assert found == {
        "[sig-node] Pods should run [Conformance]": Spec("[sig-node] Pods should run [Conformance]", False),
        "[sig-node] Pods should stop [Conformance]": Spec("[sig-node] Pods should stop [Conformance]", True),
    }


def test_results_leave_out_specs_that_were_not_chosen() -> None:
    """Ginkgo reports them as skipped, as it does those that skip themselves with a message."""
    found = specs.results(
        report(
            entry("passes"),
            entry("fails", "failed", Failure={"Message": "no\n  image"}),
            entry("other", "skipped"),
            entry("skips itself", "skipped", Failure={"Message": "one node"}),
        )
    )
    assert found == {
        "[sig-node] Pods passes": Result("passed", 2.5),
        "[sig-node] Pods fails": Result("failed", 2.5, "no image"),
        "[sig-node] Pods skips itself": Result("skipped", 2.5, "one node"),
    }


def test_the_suite_itself_can_fail() -> None:
    before = {**entry("", "failed", Failure={"Message": "not ready"}), "LeafNodeType": "SynchronizedBeforeSuite"}
    found = specs.suite_failures(report(before, entry("fails", "failed"), SpecialSuiteFailureReasons=["Interrupted"]))
    assert found == ["Interrupted", "SynchronizedBeforeSuite: not ready"]


def test_focus_finds_exactly_one_spec() -> None:
    """Names have brackets, stars and dollars, and some are the beginning of others."""
    for name in KNOWN:
        (option,) = specs.focus([name])
        pattern = re.compile(option.removeprefix("--focus="))
        assert [other for other in KNOWN if pattern.search(other)] == [name]


def test_the_sig_is_in_the_name() -> None:
    sigs = {spec.sig for spec in KNOWN.values()}
    assert sigs == {
        *("api-machinery", "apps", "architecture", "auth", "cli"),
        *("instrumentation", "network", "node", "scheduling", "storage"),
    }


def test_the_short_list_touches_every_sig() -> None:
    chosen = choice.choose(KNOWN, everything=False, focus="")
    assert {spec.sig for spec in chosen} == {spec.sig for spec in KNOWN.values()}
    assert len(chosen) == len({spec.name for spec in chosen}) < 70
    assert any(spec.is_serial for spec in chosen)


def test_the_short_list_has_no_spec_that_the_suite_lacks() -> None:
    missing = choice.short()[0]
    with pytest.raises(ToolError, match=r"^short\.yaml: there is no spec '\[sig-"):
        choice.choose({name: spec for name, spec in KNOWN.items() if name != missing}, everything=False, focus="")


def test_all_and_focus() -> None:
    assert len(choice.choose(KNOWN, everything=True, focus="")) == len(KNOWN) == 462
    found = choice.choose(KNOWN, everything=False, focus=r"^\[sig-architecture\]")
    assert [spec.name for spec in found] == [
        "[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]"
    ]


@pytest.mark.parametrize(
    ("focus", "message"),
    [
        ("[sig-node", r"FOCUS: '\[sig-node': .*; allowed: a regular expression"),
        ("no such spec", r"FOCUS: 'no such spec' is in the name of no spec of the conformance suite"),
    ],
)
def test_a_wrong_focus_is_one_sentence(focus: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        choice.choose(KNOWN, everything=False, focus=focus)


def test_serial_specs_run_alone() -> None:
    """In a round of their own, with one process. An empty round is none."""
    first, second = ginkgo.rounds(KNOWN.values(), 4)
    assert (len(first.specs), first.processes, len(second.specs), second.processes) == (433, 4, 29, 1)
    assert all(spec.is_serial for spec in second.specs)
    assert [each.name for each in ginkgo.rounds(second.specs, 4)] == ["serial"]


def test_specs_that_would_change_an_image_run_after_all_others() -> None:
    """Their pods pull the image under the name of its stand-in."""
    assert not set(choice.last()) - KNOWN.keys()
    *before, last = ginkgo.rounds(KNOWN.values(), 4, choice.last())
    assert [(each.name, len(each.specs)) for each in before] == [("parallel", 431), ("serial", 29)]
    assert (last.name, last.processes, [spec.name for spec in last.specs]) == ("last", 1, choice.last())


def test_the_answers_of_the_project_are_sound() -> None:
    """They name specs that there are, with the conditions that the command knows."""
    found = answers.read({answers.FILE: answers.FILE.read_text()}, KNOWN)
    assert all(answer.text.endswith(".") for answer in found.values())


def test_later_answers_have_priority_and_conditions_choose() -> None:
    name, other = list(KNOWN)[:2]
    text = (
        f"{json.dumps(name)}: {{answer: No image., run: false, if: stand-ins}}\n{json.dumps(other)}: {{answer: Slow.}}"
    )
    own = f"{json.dumps(other)}: {{answer: Never here.}}"
    found = answers.read({GIVEN: text, Path("more.yaml"): own}, KNOWN)
    assert found == {name: Answer("No image.", False, "stand-ins"), other: Answer("Never here.")}
    assert answers.concerning(found, set()).keys() == {other}
    assert answers.concerning(found, {"stand-ins"}).keys() == {name, other}


NAME = json.dumps(next(iter(KNOWN)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", r"own\.yaml: \['a'\]; allowed: a mapping of specs to answers"),
        ("a: [", r"own\.yaml: no YAML"),
        ("a: {answer: Why.}", r"own\.yaml: a: there is no such spec; allowed: the full name of a spec"),
        (f"{NAME}: Why.", "there is no `answer`; allowed: a sentence"),
        (f"{NAME}: {{answer: ' '}}", "there is no `answer`; allowed: a sentence"),
        (f"{NAME}: {{answer: Why., runs: false}}", "'runs' is no key; allowed: answer, if, run"),
        (f"{NAME}: {{answer: Why., run: never}}", "run: 'never'; allowed: true, false"),
        (f"{NAME}: {{answer: Why., if: local}}", "if: 'local'; allowed: node-ports, stand-ins"),
    ],
)
def test_a_wrong_answer_is_refused(text: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        answers.read({GIVEN: text}, KNOWN)


OUTPUT = """\
Will run 3 of 3206 specs
------------------------------
• [4.171 seconds]
[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance] [sig-node, Conformance]
k8s.io/kubernetes@v1.37.1/test/e2e/common/node/configmap.go:169
------------------------------
• [FAILED] [301.046 seconds]
[sig-node] Pods [It] should get a host IP [Conformance] [NodeConformance] [sig-node, Conformance]
k8s.io/kubernetes@v1.37.1/test/e2e/common/node/pods.go:203
------------------------------
• [INTERRUPTED] [5.046 seconds]
[sig-storage] ConfigMap [It] updates should be reflected in volume [Conformance] [sig-storage, Conformance]
k8s.io/kubernetes@v1.37.1/test/e2e/common/storage/configmap_volume.go:127
------------------------------
[ReportAfterSuite] PASSED [0.083 seconds]
[ReportAfterSuite] [sig-testing] Log Check
------------------------------
Summarizing 1 Failure:
  [FAIL] [sig-node] Pods [It] should get a host IP [Conformance] [NodeConformance] [sig-node, Conformance]
"""


def test_progress_counts_finished_specs() -> None:
    """From lines of a real output. A spec that failed is told once and at once; one that the user ended is not told."""
    watch = Watch(3)
    told = [name for line in OUTPUT.splitlines() if (name := watch.read(line))]
    assert watch.said() == "2 of 3 specs: 1 passed, 1 failed"
    assert told == ["[sig-node] Pods [It] should get a host IP [Conformance] [NodeConformance] [sig-node, Conformance]"]
