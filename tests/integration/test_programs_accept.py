"""The real programs of a node accept what a page renders, if the page is accepted: pages that hypothesis makes up."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import yaml
from authorities import make
from clusters import NAMES, cluster, cluster_of
from conftest import DATA, Values, changed, page_values
from generated_pages import likely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from network_configs import own_network
from starting import Node, complaints

from components.config import ConfigError, Page, load
from components.config.admission import CAN_BE_OFF, CAN_BE_ON

EXAMPLES = int(os.environ.get("HARDWAY_FUZZ_EXAMPLES", "60"))
BUILT = {"1.36": "1.36.4", "1.37": "1.37.1"}
"""The version of Kubernetes that is built of each minor version."""
ETCD = "3.7"
RECOMMENDED = yaml.safe_load((DATA / "recommended.yaml").read_text())


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def said(page: Page, name: str, *only: str) -> list[str]:
    """What the programs of one node of a page, or some of them, say about their settings."""
    part = cluster_of(page).part(name)
    for file in part.files:
        if isinstance(file.content, str) and file.path.endswith(".json"):
            # What is no JSON is refused by other programs in other words.
            json.loads(file.content, parse_constant=pytest.fail)
    folder = Path(tempfile.mkdtemp(prefix="node-"))
    try:
        versions = (BUILT[minor(page.versions.kubernetes)], BUILT[minor(page.versions.of_kubelet)])
        return list(complaints(Node(part, folder, *versions).write(), *only))
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("version", BUILT.values())
def test_api_servers_accept_each_way_to_log_in_and_each_plugin(version: str) -> None:
    """All flags of the unit at once: tests of single ways start a server with some of them."""
    service = {"url": "https://hooks.example.com/ask", "certificateAuthority": make("CN=Web CA").chain}
    change = {
        "versions.kubernetes": version,
        "access.proxy": {"names": ["a", "b"], "prefix": "sso:", "extraHeaderPrefixes": ["X-Fact-"]},
        "access.tokens": [{"name": "ci", "token": "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e"}],
        "access.tokenWebhook": {**service, "prefix": "corp:"},
        "access.authorizationWebhook": {**service, "matchConditions": ["'corp:staff' in request.groups"]},
        "access.namespaces": [{"name": "shop", "nodeSelector": {"pool": "shop"}, "tolerations": {}}],
        "admission": {"enable": list(CAN_BE_ON), "disable": list(CAN_BE_OFF), "imagePolicyWebhook": service},
    }
    page = load(changed(page_values("stacked"), change), ("access",))
    assert said(page, "cp-1", "kube-apiserver") == []


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


@pytest.mark.parametrize(
    ("program", "file", "right", "wrong"),
    [
        ("keepalived", "cfg/keepalived.conf", "virtual_router_id 51", "virtual_router_id 256"),
        ("keepalived", "cfg/keepalived.conf", "192.168.10.12\n", "192.168.10\n"),
        ("nft", "cfg/network-policies.nft", "10.244.0.0/16", "10.244.0.0/33"),
    ],
)
def test_programs_of_the_network_are_heard(program: str, file: str, right: str, wrong: str, tmp_path: Path) -> None:
    """The same file is accepted before it has the mistake."""
    if own_network(program) is None:
        pytest.skip(f"this host has no {program}, or no network of a program's own")
    page = load(changed(page_values("existing"), {"network.policies": "enforced"}))
    name = next(node.name for node in page.nodes if "control-plane" in node.roles)
    node = Node(cluster_of(page).part(name), tmp_path).write()
    assert list(complaints(node, program)) == []
    path = tmp_path / file
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    assert [line.partition(":")[0] for line in complaints(node, program)] == [path.name]


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


@pytest.mark.long
@pytest.mark.parametrize("version", BUILT.values())
@pytest.mark.parametrize(
    ("section", "component"), [(section, name) for section, names in RECOMMENDED.items() for name in names]
)
def test_programs_accept_what_people_recommend(version: str, section: str, component: str) -> None:
    """The page accepts each of these values, too: tests/integration/test_recommended_values.py."""
    refused = []
    for value in RECOMMENDED[section][component]:
        change = {"versions.kubernetes": version, "extraArgs": {}, "extraConfig": {}, f"{section}.{component}": value}
        files = [text for text in value.values() if str(text).startswith("/") or ",/" in str(text)]
        if not files or component == "kubelet":
            refused += said(load(changed(page_values("stacked"), change)), "cp-1", component)
    assert refused == []


def judged() -> list[Values]:
    """The wrong pages whose flags or fields are wrong for a program, and not because hardway sets them itself."""
    ours = (
        "hardway sets this",
        "name;",
        "do not fit",
        "starts with a dash",
        "control characters",
        "is not a known key",
    )
    found = []
    for one in yaml.safe_load((DATA / "wrong_pages.yaml").read_text())["pages"]:
        paths = [path.split(".") for path in one["change"]]
        if all(path[0] in SECTIONS and len(path) == 2 for path in paths):
            message = str(one["message"])
            if not any(text in message for text in ours):
                found.append(one)
    return found


SECTIONS = {"extraArgs": "extra_args", "extraConfig": "extra_config"}
NOT_AT_THE_CHECK = {
    # Promises of hardway.
    "health check that needs a right",
    *("TLS that is too old", "TLS of the kubelet that is too old"),
    *("address of kube-proxy of IPv6", "number that Go would read as octal", "path that is relative"),
    # The program ignores it.
    *("field with a typing error", "directory of logs of pods that is relative", "option of a policy that is not on"),
    # The program ends, or does nothing, after the check of its settings.
    *("TLS version as etcd writes it", "cipher suite that Go does not have"),
    *("no request may come in", "controller without workers", "lock of the leader that there is not"),
    *("renewal of the lease that is too slow", "retries that are too slow for the renewal"),
    *("log level of etcd that there is not", "metrics of etcd that there are not"),
    *("size of logs with a wrong unit", "eviction for a signal that there is not", "soft eviction without a time"),
    *("eviction at a percentage above a hundred", "reserved resource that there is not"),
    *("reserved memory that is negative", "static processors without reserved ones"),
    *("policy of processors that there is not", "static memory without reserved memory"),
}
"""Wrong pages that the program would not refuse in its check of settings."""


@pytest.mark.long
@pytest.mark.parametrize("wrong", judged(), ids=lambda wrong: wrong["name"])
def test_programs_refuse_what_the_page_refuses(wrong: Values) -> None:
    """Else the page would be stricter than it says. The rules of the page are passed by."""
    page, components = load(page_values("stacked")), []
    for path, value in wrong["change"].items():
        key, component = path.split(".")
        given = {name: flag_text(item) for name, item in value.items()} if key == "extraArgs" else value
        section = getattr(page, SECTIONS[key]).model_copy(update={component.replace("-", "_"): given})
        page = page.model_copy(update={SECTIONS[key]: section})
        components.append(component)
    assert bool(said(page, "cp-1", *components)) == (wrong["name"] not in NOT_AT_THE_CHECK)


def flag_text(value: object) -> str:
    """A flag of a page as the models hold it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
