"""What flanneld may change, with a real API server: the admission policy for its service account."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from api_server import STRATEGIC, ApiServer, api_server

from components.network_plugins.flannel.own_node import policy_spec

FLANNEL = "system:serviceaccount:kube-flannel:flannel"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
OWN_KEY = "flannel.alpha.coreos.com/backend-type"


def as_sent(value: Any) -> Any:
    """The names of fields as Pulumi sends them."""
    if isinstance(value, dict):
        return {re.sub("_([a-z])", lambda found: found[1].upper(), name): as_sent(of) for name, of in value.items()}
    return [as_sent(of) for of in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Two nodes, flannel's rights, and the policy in force."""
    with api_server(tmp_path_factory.mktemp("api")) as server:
        for node in ("own", "other"):
            labels = {"example.com/rack": "r1"}
            server.ask("POST", "/api/v1/nodes", {"metadata": {"name": node, "labels": labels}})
        rules = [{"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]}]
        server.ask("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "flannel"}, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "flannel"}
        subjects = [{"kind": "ServiceAccount", "name": "flannel", "namespace": "kube-flannel"}]
        binding = {"metadata": {"name": "flannel"}, "roleRef": role, "subjects": subjects}
        server.ask("POST", f"{RBAC}/clusterrolebindings", binding)
        metadata = {"name": "flannel-own-node"}
        server.ask("POST", f"{POLICIES}ies", {"metadata": metadata, "spec": as_sent(policy_spec(FLANNEL))})
        bound = {"policyName": metadata["name"], "validationActions": ["Deny"]}
        server.ask("POST", f"{POLICIES}ybindings", {"metadata": metadata, "spec": bound})
        deadline = time.monotonic() + 30
        while not refusal(server, "other", {"metadata": {"annotations": {OWN_KEY: "vxlan"}}}):
            assert time.monotonic() < deadline, "the policy is not in force"
            time.sleep(0.2)
        yield server


def refusal(api: ApiServer, node: str, change: Any, claimed: str = "own") -> str:
    """Why flannel of node `claimed` may not change the status of a node. Empty if it may."""
    headers = {"Impersonate-User": FLANNEL}
    if claimed:
        headers["Impersonate-Extra-Authentication.kubernetes.io%2fnode-Name"] = claimed
    try:
        api.ask("PATCH", f"/api/v1/nodes/{node}/status", change, STRATEGIC, headers)
    except HTTPError as error:
        return str(json.load(error)["message"])
    return ""


def condition(kind: str) -> Any:
    return {"status": {"conditions": [{"type": kind, "status": "False", "reason": "x", "message": "y"}]}}


def test_its_own_node(api: ApiServer) -> None:
    """What flanneld does: its annotations, also their removal, and the condition of the network."""
    assert refusal(api, "own", {"metadata": {"annotations": {OWN_KEY: "vxlan"}}}) == ""
    assert refusal(api, "own", condition("NetworkUnavailable")) == ""
    assert refusal(api, "own", {"metadata": {"annotations": {OWN_KEY: None}}}) == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}, "flannel changes no labels"),
        ({"metadata": {"labels": {"example.com/rack": None}}}, "flannel changes no labels"),
        ({"metadata": {"annotations": {"example.com/x": "y"}}}, "only annotations that begin with"),
        (condition("Ready"), "flannel changes only the condition NetworkUnavailable"),
        ({"status": {"capacity": {"cpu": "99"}}}, "flannel changes only the condition NetworkUnavailable"),
        (
            {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}},
            "flannel changes only the condition",
        ),
    ],
)
def test_nothing_else_of_its_own_node(api: ApiServer, change: Any, why: str) -> None:
    assert why in refusal(api, "own", change)


@pytest.mark.parametrize("claimed", ["own", ""])
def test_no_other_node(api: ApiServer, claimed: str) -> None:
    """Also with a token that names no node."""
    assert "flannel-own-node" in refusal(api, "other", {"metadata": {"annotations": {OWN_KEY: "vxlan"}}}, claimed)


def test_others_are_not_concerned(api: ApiServer) -> None:
    change = {"metadata": {"annotations": {"example.com/x": "y"}}}
    found = api.ask("PATCH", "/api/v1/nodes/other/status", change, STRATEGIC)
    assert found["metadata"]["annotations"]["example.com/x"] == "y"
