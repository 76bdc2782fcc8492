"""Plugins of admission on the page: which are on, their configuration, and the annotations of namespaces."""

import json
from typing import Any

import pytest
from authorities import make
from clusters import Cluster, cluster

from components.config.scheduling import ALLOWED_TOLERATIONS, DEFAULT_TOLERATIONS, NODE_SELECTOR
from components.node.release import unit_flags
from components.node.render.api_policies import ADMISSION
from components.node.render.control_plane import api_server

SERVICE = {"url": "https://images.example.com", "certificateAuthority": make("CN=Web CA").chain}


def rendered(change: dict[str, Any]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Flags of an API server, and the plugins in its AdmissionConfiguration."""
    made: Cluster = cluster("stacked", change)
    part = api_server(made.page, made.topology, made.topology.node("cp-1"))
    (file,) = (file for file in part.files if file.path == "cfg/admission.yaml")
    return unit_flags(part.units[0].text), json.loads(str(file.content))["plugins"]


@pytest.mark.parametrize(
    ("change", "plugins"),
    [
        ({}, []),
        ({"admission.enable": ["AlwaysPullImages"]}, ["AlwaysPullImages"]),
        ({"access.namespaces": [{"name": "shop", "nodeSelector": {"pool": "shop"}}]}, ["PodNodeSelector"]),
        ({"access.namespaces": [{"name": "shop", "tolerations": {}}]}, ["PodTolerationRestriction"]),
        ({"admission.imagePolicyWebhook": SERVICE}, ["ImagePolicyWebhook"]),
    ],
)
def test_what_is_on(change: dict[str, Any], plugins: list[str]) -> None:
    flags, _ = rendered(change)
    own = ["NodeRestriction", "DenyServiceExternalIPs", "EventRateLimit"]
    assert flags["enable-admission-plugins"].split(",") == own + plugins
    assert "disable-admission-plugins" not in flags


def test_what_is_off() -> None:
    assert rendered({"admission.disable": ["DefaultStorageClass"]})[0]["disable-admission-plugins"] == (
        "DefaultStorageClass"
    )


def test_the_file_is_as_before_without_a_service() -> None:
    assert rendered({"admission.enable": ["AlwaysPullImages"]})[1] == json.loads(ADMISSION)["plugins"]


def test_the_service_for_images_has_seconds() -> None:
    """The plugin reads whole seconds, and -1 as never: normalizeConfigDuration in k8s.io/kubernetes."""
    webhook = {**SERVICE, "allowTtl": "2m", "denyTtl": "1s"}
    found = rendered({"admission.imagePolicyWebhook": webhook})[1][-1]["configuration"]["imagePolicy"]
    assert (found["allowTTL"], found["denyTTL"], found["defaultAllow"]) == (120, 1, False)


def test_a_namespace_gets_annotations_for_its_pods() -> None:
    tolerations = {"default": [{"key": "gpu", "operator": "Exists"}], "allowed": [{"key": "spot", "value": "x"}]}
    listed = [{"name": "shop", "nodeSelector": {"b": "2", "a": ""}, "tolerations": tolerations}, {"name": "plain"}]
    shop, plain = cluster("stacked", {"access.namespaces": listed}).page.access.namespaces
    assert plain.annotations() == {}
    found = shop.annotations()
    assert found[NODE_SELECTOR] == "a=,b=2"
    assert json.loads(found[DEFAULT_TOLERATIONS]) == [{"key": "gpu", "operator": "Exists"}]
    allowed = json.loads(found[ALLOWED_TOLERATIONS])
    assert allowed[:2] == [{"key": "gpu", "operator": "Exists"}, {"key": "spot", "operator": "Equal", "value": "x"}]
    # Without these, every pod would be refused, because Kubernetes adds them before the list is checked.
    assert {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} <= {one["key"] for one in allowed}
