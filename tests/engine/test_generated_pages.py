"""The real programs of a node accept what a page renders, if the page is accepted: for pages that hypothesis makes up."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from clusters import NAMES, cluster, cluster_of
from conftest import Values, changed, page_values
from generated_pages import likely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starting import Node, complaints

from components.config import ConfigError, Page, load

EXAMPLES = int(os.environ.get("HARDWAY_FUZZ_EXAMPLES", "40"))
BUILT = {"1.36": "1.36.4", "1.37": "1.37.1"}
"""The version of Kubernetes that is built of each minor version."""
ETCD = "3.7"


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def said(page: Page, name: str) -> list[str]:
    """What the programs of one node of a page say about their settings."""
    part = cluster_of(page).part(name)
    for file in part.files:
        if isinstance(file.content, str) and file.path.endswith(".json"):
            # What is no JSON is refused by other programs in other words.
            json.loads(file.content, parse_constant=pytest.fail)
    folder = Path(tempfile.mkdtemp(prefix="node-"))
    try:
        versions = (BUILT[minor(page.versions.kubernetes)], BUILT[minor(page.versions.of_kubelet)])
        return list(complaints(Node(part, folder, *versions).write()))
    finally:
        shutil.rmtree(folder)


def nodes_to_try(page: Page) -> list[str]:
    """The first node of each set of roles: others have the same flags and fields."""
    return list({node.roles: node.name for node in reversed(page.nodes)}.values())


@pytest.mark.parametrize("name", [*NAMES, "existing", "aws"])
def test_programs_accept_the_good_pages(name: str) -> None:
    page = load(page_values(name), ("backup", "authorities"))
    for node in nodes_to_try(page):
        assert said(page, node) == [], node


def test_programs_name_what_they_do_not_accept() -> None:
    """The test of the test: each program is asked, and its answer is heard. No rule refuses these here."""
    wrong = {
        "kube-apiserver": {"goaway-chance": "1"},
        "kube-controller-manager": {"concurrent-job-syncs": "0"},
        "kube-scheduler": {"tls-min-version": "none"},
        "kubelet": {"log-flush-frequency": "0s"},
        "etcd": {"compact-hash-check-time": "0s"},
    }
    page = cluster("stacked").page
    args = page.extra_args.model_copy(update={name.replace("-", "_"): flags for name, flags in wrong.items()})
    fields = page.extra_config.model_copy(update={"kube_proxy": {"oomScoreAdj": 5000}})
    found = said(page.model_copy(update={"extra_args": args, "extra_config": fields}), "cp-1")
    assert [line.partition(":")[0] for line in found] == [*list(wrong)[:3], "etcd", "kubelet", "kube-proxy"]
    unknown = page.extra_config.model_copy(update={"kube_proxy": {"oomScoreAdjust": 5}})
    assert [line.partition(":")[0] for line in said(page.model_copy(update={"extra_config": unknown}), "cp-1")] == [
        "kube-proxy"
    ]


def test_programs_accept_what_the_page_accepts() -> None:
    counted: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(likely(), st.data())
    def check(values: Values, data: st.DataObject) -> None:
        try:
            page = load(copy.deepcopy(values), tuple(values))
        except ConfigError:
            counted["refused"] += 1
            return
        versions = page.versions
        if {minor(versions.kubernetes), minor(versions.of_kubelet)} - set(BUILT) or minor(versions.etcd) != ETCD:
            counted["not built"] += 1
            return
        counted["accepted"] += 1
        node = data.draw(st.sampled_from(nodes_to_try(page)))
        assert said(page, node) == [], (node, values)

    check()
    assert counted["accepted"] > EXAMPLES / 5, counted


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extraConfig.kubelet", {"evictionHard": {"memory.available": "5%"}, "seccompDefault": None}),
        ("extraConfig.kube-proxy", {"conntrack": {"min": None, "maxPerCore": 1}, "nodePortAddresses": ["primary"]}),
        ("extraArgs.etcd", {"tls-min-version": "TLS1.3"}),
        ("extraArgs.kube-apiserver", {"tls-min-version": "VersionTLS13"}),
    ],
)
def test_programs_accept_what_fields_and_flags_become(path: str, value: Values) -> None:
    page = load(changed(page_values("stacked"), {path: value}))
    assert said(page, "cp-1") == []
