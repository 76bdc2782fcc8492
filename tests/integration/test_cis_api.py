"""The measurements with kubectl in the answers, on a real API server with hardway's admission and bindings."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import ApiServer, api_server, program

from components.addons.bindings import CLUSTER_BINDINGS
from components.node.render.api_policies import ADMISSION
from components.pki.leaves import ADMIN_GROUP, DEPLOYER_BINDING, DEPLOYER_GROUP
from tools.cis import answers, ask
from tools.cis.findings import Measurement

RBAC = "/apis/rbac.authorization.k8s.io/v1"
SCRIPTS = {
    control: entry["api"] for control, entry in yaml.safe_load(answers.FILE.read_text()).items() if "api" in entry
}
REFUSING = {control for control, script in SCRIPTS.items() if "refuses_pod" in script}
ASKING = {control for control, script in SCRIPTS.items() if "nobody_may" in script}


def binding(name: str, role: str, group: str) -> dict[str, Any]:
    """A ClusterRoleBinding of a group."""
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with what hardway applies. There is no controller, so the first service account is made here."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "admission.yaml").write_text(ADMISSION)
    with api_server(
        folder,
        f"--admission-control-config-file={folder / 'admission.yaml'}",
        "--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs,EventRateLimit",
        "--allow-privileged=true",
    ) as found:
        bindings = {name: (role, of) for name, (role, kind, of) in CLUSTER_BINDINGS.items() if kind == "Group"}
        bindings[DEPLOYER_BINDING] = ("cluster-admin", DEPLOYER_GROUP)
        assert bindings["hardway-cluster-admins"] == ("cluster-admin", ADMIN_GROUP)
        for name, (role, group) in bindings.items():
            found.ask("POST", f"{RBAC}/clusterrolebindings", binding(name, role, group))
        rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]}]
        role = {"metadata": {"name": "hardway-maintenance"}, "rules": rules}
        found.ask("POST", f"{RBAC}/clusterroles", role)
        found.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "kube-flannel"}})
        found.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        yield found


@pytest.fixture
def environment(server: ApiServer, tmp_path: Path) -> Mapping[str, str]:
    """The environment of an operator, whose kubeconfig is that of the admin."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(server.kubeconfig("hardway:admin", ADMIN_GROUP))
    path = f"{program('kubectl').parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path), "NO_PROXY": "*"}


def failed(found: Mapping[str, Measurement]) -> dict[str, str]:
    """What the measurements say that did not succeed."""
    return {control: result.said for control, result in found.items() if not result.succeeded}


def test_every_answer_holds_in_a_new_cluster(environment: Mapping[str, str]) -> None:
    assert len(SCRIPTS) > 25 and REFUSING and ASKING
    assert failed(ask.api(SCRIPTS, environment)) == {}


def test_a_cluster_in_which_everybody_may_do_everything_is_told(
    server: ApiServer, environment: Mapping[str, str]
) -> None:
    """Every measurement of rights fails."""
    path = f"{RBAC}/clusterrolebindings"
    server.ask("POST", path, binding("everybody", "cluster-admin", "system:authenticated"))
    try:
        found = failed(ask.api({control: SCRIPTS[control] for control in {*ASKING, "5.1.1"}}, environment))
    finally:
        server.ask("DELETE", f"{path}/everybody")
    assert found.keys() == {*ASKING, "5.1.1"}
    assert found["5.1.1"] == "bound to cluster-admin as well: everybody"
    assert found["5.1.10"] == "everybody may get nodes/proxy: yes"


def test_a_namespace_without_pod_security_is_told(server: ApiServer, environment: Mapping[str, str]) -> None:
    """Every measurement of pods that have to be refused fails."""

    def label(level: str | None) -> None:
        labels = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")}
        server.ask(
            "PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": labels}}, "application/merge-patch+json"
        )

    label("privileged")
    try:
        found = failed(ask.api({control: SCRIPTS[control] for control in REFUSING}, environment))
    finally:
        label(None)
    assert found.keys() == REFUSING


def test_no_answer_holds_without_an_api(environment: Mapping[str, str], tmp_path: Path) -> None:
    """A failed request is no proof."""
    nowhere = {**environment, "KUBECONFIG": str(tmp_path / "missing")}
    assert failed(ask.api(SCRIPTS, nowhere)).keys() == SCRIPTS.keys()
