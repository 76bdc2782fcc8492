"""`make conformance`: upstream's tests, as far as they touch every SIG, on a running cluster."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import Run
from tests.e2e.support.progress import Say
from tools.conformance import choice
from tools.conformance.specs import Spec

IMAGES = "/opt/kubernetes/bin/ctr --namespace k8s.io images list --quiet"
TEST_IMAGE = "registry.k8s.io/e2e-test-images/nonewprivs:1.4"
SUMMARY = re.compile(r"^\d+ specs: .*; (\d+) to act on$", re.MULTILINE)
LIMIT_SECONDS = 1800
"""Upstream's tests, and the stand-ins, are built before the suite: the option `--judges` of the Makefile."""


@pytest.fixture(scope="module")
def judged(cluster: Cluster, say: Say) -> Run:
    """One run for all tests."""
    run = _conformance(cluster)
    summary = SUMMARY.search(run.output)
    say(f"  make conformance after {run.seconds:.1f} s: {summary[0] if summary else run.tail(1)}")
    return run


@pytest.fixture(scope="module")
def folder(cluster: Cluster, judged: Run) -> Path:
    """The folder with the list and the reports."""
    return cluster.stack.clone.state / cluster.stack.name / "conformance"


@pytest.mark.long
def test_every_spec_passes_or_is_answered(judged: Run) -> None:
    """The exit status is 0, and nothing is open."""
    summary = SUMMARY.search(judged.output)
    assert summary, judged.tail()
    assert (summary[1], judged.code) == ("0", 0), judged.tail(60)


@pytest.mark.long
def test_the_list_has_a_line_for_each_spec_and_passed_ones_of_every_sig(folder: Path, judged: Run) -> None:
    """A SIG whose specs are all answered would prove nothing."""
    listed = [re.split(r"\s{2,}", line, maxsplit=2) for line in (folder / "specs.txt").read_text().splitlines()]
    assert [name for _, _, name in listed] == choice.short()
    sigs = {Spec(name, is_serial=False).sig for name in choice.short()}
    assert {Spec(name, is_serial=False).sig for state, _, name in listed if state == "passed"} == sigs


@pytest.mark.long
def test_the_reports_of_ginkgo_agree_with_the_list(folder: Path, judged: Run) -> None:
    """JUnit, for others' programs: the specs that passed are those of the list."""
    cases = [case for report in folder.glob("junit-*.xml") for case in ET.parse(report).iter("testcase")]  # noqa: S314
    passed = sum(case.get("status") == "passed" and "[It]" in str(case.get("name")) for case in cases)
    assert passed == (folder / "specs.txt").read_text().count("passed  ")


@pytest.mark.long
def test_nothing_stays_in_the_cluster_or_on_a_machine(cluster: Cluster, judged: Run) -> None:
    """No namespace of a test, and no image that stands in for upstream's."""
    assert cluster.kubectl.items("namespaces", "--selector=e2e-run") == []
    for machine in cluster.machines.values():
        assert TEST_IMAGE not in machine.run(IMAGES).ok()


def test_an_answer_that_is_not_needed_is_told(cluster: Cluster, tmp_path: Path) -> None:
    """An answer for a spec that passes is stale, and the command fails."""
    passes = "[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]"
    own = tmp_path / "own.yaml"
    own.write_text(f'"{passes}": {{answer: We do not need it.}}\n')
    run = _conformance(cluster, FOCUS=re.escape(passes), ANSWERS=str(own))
    assert run.code != 0
    act = " ".join(run.output.partition("Somebody has to act:")[2].split())
    assert f"- {passes} passes, so its answer in the table of answers has to go" in act, run.tail()


def _conformance(cluster: Cluster, **variables: str) -> Run:
    return replace(cluster.stack, limit=LIMIT_SECONDS).make("conformance", extra=variables)
