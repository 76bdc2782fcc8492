"""Plugins of admission of the page with a real API server: what they change, and what they refuse."""

import re
import subprocess
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from api_server import program
from clusters import cluster
from rendered_server import Rendered, prepared, rendered_server
from reviewer import Review, Reviewer

from components.config.admission import ALWAYS_ON, CAN_BE_OFF, CAN_BE_ON, GUARDS, REFUSED_ON
from tests.wait import becomes, eventually

NAMESPACES = "/api/v1/namespaces"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
IMAGE, BAD_IMAGE = "registry.example.com/web@sha256:" + "0" * 64, "elsewhere.example.com/web:latest"
GPU = "example.com/gpu"
SHOP = {
    "name": "shop",
    "podSecurity": "privileged",
    "nodeSelector": {"pool": "shop", "example.com/disk": "fast"},
    "tolerations": {
        "default": [{"key": "pool", "value": "shop", "effect": "NoSchedule"}],
        "allowed": [{"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
    },
}


@dataclass
class World:
    """An API server with plugins, and one that has others, or fewer. `images` judges the images of both."""

    changed: Rendered
    other: Rendered
    images: Reviewer


def judge(spec: Review) -> Review:
    """The status of an ImageReview."""
    wrong = [one["image"] for one in spec["containers"] if one["image"] == BAD_IMAGE]
    return {"allowed": not wrong, **({"reason": "not our registry"} if wrong else {})}


@pytest.fixture(scope="module", params=["1.37.1", pytest.param("1.36.4", marks=pytest.mark.long)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The namespace `shop` of the page in both servers, and the namespace `plain`, which the page does not have."""
    changed, other = (prepared(tmp_path_factory.mktemp("api"), request.param) for _ in range(2))
    # One authority certifies the clients of both.
    other.server.clients = changed.server.clients
    images = Reviewer(changed.server.folder, changed.server.clients, judge)
    plugins = {
        "access.namespaces": [SHOP],
        "admission": {"enable": list(CAN_BE_ON), "imagePolicyWebhook": images.on_page(allowTtl="1s", denyTtl="1s")},
    }
    fewer = {"admission": {"disable": list(CAN_BE_OFF), "imagePolicyWebhook": images.on_page(defaultAllow=True)}}
    try:
        images.start()
        with rendered_server(changed, plugins), rendered_server(other, fewer):
            for one in (changed, other):
                make_namespaces(one)
            yield World(changed, other, images)
    finally:
        images.stop()


def make_namespaces(made: Rendered) -> None:
    """What the program and a controller make."""
    make_namespace(made, "shop", annotations_of(SHOP))
    make_namespace(made, "plain", {})
    made.server.ask("POST", f"{NAMESPACES}/kube-system/serviceaccounts", {"metadata": {"name": "default"}})


def annotations_of(namespace: dict[str, Any]) -> dict[str, str]:
    """The annotations of a namespace of the page."""
    (found,) = cluster("stacked", {"access.namespaces": [namespace]}).page.access.namespaces
    return found.annotations()


def make_namespace(made: Rendered, name: str, annotations: dict[str, str]) -> None:
    """A namespace, and the service account that a controller makes in each."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    metadata = {"name": name, "annotations": annotations, "labels": labels}
    made.server.ask("POST", NAMESPACES, {"metadata": metadata})
    made.server.ask("POST", f"{NAMESPACES}/{name}/serviceaccounts", {"metadata": {"name": "default"}})


def pod(made: Rendered, namespace: str = "plain", image: str = IMAGE, **spec: Any) -> Any:
    """The spec of a pod as the API server would store it, or the message of the refusal."""
    container = {"name": "main", "image": image, **spec.pop("container", {})}
    body = {"metadata": {"generateName": "tried-"}, "spec": {"containers": [container], **spec}}
    try:
        return made.server.ask("POST", f"{NAMESPACES}/{namespace}/pods?dryRun=All", body)["spec"]
    except urllib.error.HTTPError as error:
        return error.read().decode()


def change(made: Rendered, path: str, **metadata: Any) -> str:
    """Change the metadata of an object: the message of the refusal, or nothing."""
    try:
        made.server.ask("PATCH", path, {"metadata": metadata}, "application/merge-patch+json")
    except urllib.error.HTTPError as error:
        return error.read().decode()
    return ""


def keys(spec: Any) -> set[str]:
    """The keys of the taints that a pod tolerates."""
    return {one["key"] for one in spec.get("tolerations", ())}


def plugins_of(version: str) -> tuple[set[str], set[str]]:
    """All plugins of the program of a version, and those that are on by default, from its `--help`."""
    asked = [str(program("kube-apiserver", version)), "--help"]
    text = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout
    line = re.sub(r"\s+", " ", text.partition("--enable-admission-plugins")[2].partition("--endpoint-")[0])
    wanted = r"default enabled ones \((.*?)\)\. Comma-delimited list of admission plugins: (.*?)\."
    on, listed = ({name.strip() for name in part.split(",")} for part in re.findall(wanted, line)[0])
    return listed, on


def test_the_page_knows_all_plugins_of_the_programs() -> None:
    found = [plugins_of(version) for version in ("1.37.1", "1.36.4")]
    for listed, on in found:
        assert listed - on == {*CAN_BE_ON, *REFUSED_ON, *ALWAYS_ON}
    assert {*GUARDS, *CAN_BE_OFF} == {name for _, on in found for name in on} | {*ALWAYS_ON}
    assert not {*CAN_BE_ON, *REFUSED_ON} & {*GUARDS, *CAN_BE_OFF}


def test_always_pull_images(world: World) -> None:
    (container,) = pod(world.changed)["containers"]
    assert container["imagePullPolicy"] == "Always"
    (container,) = pod(world.other)["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_extended_resource_toleration(world: World) -> None:
    needs = {"resources": {"limits": {GPU: "1"}}}
    assert GPU in keys(pod(world.changed, container=needs))
    assert GPU not in keys(pod(world.other, container=needs))


def test_limit_pod_hard_anti_affinity_topology(world: World) -> None:
    def apart(topology: str) -> dict[str, Any]:
        term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": topology}
        return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}

    assert "kubernetes.io/hostname" in pod(world.changed, affinity=apart("topology.kubernetes.io/zone"))
    for made, topology in ((world.changed, "kubernetes.io/hostname"), (world.other, "topology.kubernetes.io/zone")):
        assert pod(made, affinity=apart(topology))["containers"]


def test_owner_references_permission_enforcement(world: World) -> None:
    """Whoever may not delete an object may not keep it from being deleted either."""
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "blockOwnerDeletion": True}
    for made in (world.changed, world.other):
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}
        made.server.ask("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "maker"}, "rules": [rule]})
        binding = {
            "metadata": {"name": "maker"},
            "roleRef": {**group, "kind": "ClusterRole", "name": "maker"},
            "subjects": [{**group, "kind": "User", "name": "alice"}],
        }
        made.server.ask("POST", f"{RBAC}/clusterrolebindings", binding)
        path = f"{NAMESPACES}/plain/configmaps"
        uid = made.server.ask("POST", path, {"metadata": {"name": "owner"}})["metadata"]["uid"]

        def create(made: Rendered = made, path: str = path, uid: str = uid, **metadata: Any) -> int | str:
            owned = {"metadata": {"generateName": "x-", **({"ownerReferences": [owner | {"uid": uid}]} | metadata)}}
            try:
                made.server.ask("POST", f"{path}?dryRun=All", owned, headers={"Impersonate-User": "alice"})
            except urllib.error.HTTPError as error:
                return error.read().decode()
            return 200

        becomes(lambda create=create: create(ownerReferences=[]), 200, 60, "the binding counts")  # type: ignore[misc]
        if made is world.changed:
            assert "cannot set blockOwnerDeletion" in str(create())
        else:
            assert create() == 200


def test_pod_node_selector(world: World) -> None:
    """A pod of the namespace goes to its nodes; the page names them, and the pod only narrows the choice."""
    pool = {"pool": "shop", "example.com/disk": "fast"}
    assert pod(world.changed, "shop")["nodeSelector"] == pool
    narrow = {"kubernetes.io/hostname": "worker-1"}
    assert pod(world.changed, "shop", nodeSelector=narrow)["nodeSelector"] == pool | narrow
    assert "conflicts with its namespace" in pod(world.changed, "shop", nodeSelector={"pool": "other"})
    assert "nodeSelector" not in pod(world.changed, "plain")
    assert pod(world.other, "shop", nodeSelector={"pool": "other"})["nodeSelector"] == {"pool": "other"}


def test_pod_toleration_restriction(world: World) -> None:
    """A pod gets the tolerations of its namespace, and what it tolerates beyond the list is refused."""
    spot = {"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    conditions = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
    assert keys(pod(world.changed, "shop")) == {"pool"} | conditions
    limited = {"resources": {"limits": {"cpu": "1", "memory": "1Mi"}}}
    assert (
        keys(pod(world.changed, "shop", container=limited))
        == {"pool", "node.kubernetes.io/memory-pressure"} | conditions
    )
    assert "spot" in keys(pod(world.changed, "shop", tolerations=[spot]))
    for wrong in (spot | {"tolerationSeconds": 61}, {"operator": "Exists"}, {"key": "gpu", "operator": "Exists"}):
        assert "conflict with its namespace whitelist" in pod(world.changed, "shop", tolerations=[wrong])
        assert pod(world.changed, "plain", tolerations=[wrong])["containers"]
        assert pod(world.other, "shop", tolerations=[wrong])["containers"]


def test_pod_toleration_restriction_adds_no_device(world: World) -> None:
    """docs/admission.md says what to allow: the toleration of another plugin is not on the list."""
    gpu = {"resources": {"limits": {GPU: "1"}}}
    assert "conflict with its namespace whitelist" in pod(world.changed, "shop", container=gpu)
    with_gpu = SHOP["tolerations"] | {"allowed": [{"key": GPU, "operator": "Exists"}]}  # type: ignore[operator]
    make_namespace(world.changed, "devices", annotations_of(SHOP | {"tolerations": with_gpu}))
    eventually(lambda: GPU in keys(pod(world.changed, "devices", container=gpu)), 60, "the annotation counts")


def test_a_pod_that_names_its_node_goes_around_taints(world: World) -> None:
    """docs/admission.md says so, and that `nodeSelector` helps: a kubelet compares the labels, which the pod gets."""
    found = pod(world.changed, "shop", nodeName="cp-1")
    assert found["nodeName"] == "cp-1" and found["nodeSelector"] == SHOP["nodeSelector"]


def test_a_pod_that_tolerates_more_cannot_be_changed(world: World) -> None:
    """docs/admission.md says what to do before: the finalizer of a Job would stay for ever."""
    made, path = world.changed, f"{NAMESPACES}/older/pods/run"
    make_namespace(made, "older", {})
    metadata = {"name": "run", "finalizers": ["batch.kubernetes.io/job-tracking"]}
    containers = [{"name": "main", "image": IMAGE}]
    spec = {"containers": containers, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
    made.server.ask("POST", f"{NAMESPACES}/older/pods", {"metadata": metadata, "spec": spec})
    allowed = SHOP["tolerations"] | {"allowed": [{"key": "gpu", "operator": "Exists"}]}  # type: ignore[operator]
    assert change(made, f"{NAMESPACES}/older", annotations=annotations_of(SHOP)) == ""
    eventually(
        lambda: "conflict with its namespace" in change(made, path, labels={"a": "b"}), 60, "the annotation counts"
    )
    assert "conflict with its namespace whitelist" in change(made, path, finalizers=None)
    assert change(made, f"{NAMESPACES}/older", annotations=annotations_of(SHOP | {"tolerations": allowed})) == ""
    becomes(lambda: change(made, path, finalizers=None), "", 60, "what the pod tolerates is allowed")


def test_pod_toleration_restriction_lets_daemon_sets_run(world: World) -> None:
    """What the controller of DaemonSets adds (AddOrUpdateDaemonPodTolerations in k8s.io/kubernetes/pkg/controller)."""
    added = [
        {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
        for name, effect in (
            *(("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule")),
            *(("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule")),
            ("network-unavailable", "NoSchedule"),
        )
    ]
    assert {one["key"] for one in added} <= keys(pod(world.changed, "shop", tolerations=added))


def test_image_policy_webhook(world: World) -> None:
    assert pod(world.changed)["containers"]
    assert "one or more images: not our registry" in pod(world.changed, image=BAD_IMAGE)
    assert {review["apiVersion"] for review in world.images.asked} == {"imagepolicy.k8s.io/v1alpha1"}
    assert world.images.names == {"kube-apiserver-webhook-client"}


def test_image_policy_webhook_knows_no_volumes(world: World) -> None:
    """docs/admission.md says so. If Kubernetes ever asks about the image of a volume, say so there."""
    volume = {"name": "tools", "image": {"reference": BAD_IMAGE}}
    assert volume["image"].items() <= pod(world.changed, volumes=[volume])["volumes"][0]["image"].items()  # type: ignore[attr-defined]


def test_image_policy_webhook_that_is_down(world: World) -> None:
    """No pod starts or changes, also none of the cluster itself, unless the page says otherwise."""
    spec = {"containers": [{"name": "main", "image": IMAGE}]}
    running = f"{NAMESPACES}/plain/pods"
    for made in (world.changed, world.other):
        made.server.ask("POST", running, {"metadata": {"name": "running"}, "spec": spec})
    world.images.stop()
    try:
        # What the service said about the image is kept for a second.
        eventually(
            lambda: "connection refused" in change(world.changed, f"{running}/running", labels={"a": "b"}),
            60,
            "the service is needed",
        )
        assert change(world.other, f"{running}/running", labels={"a": "b"}) == ""
        for namespace in ("plain", "kube-system"):
            unknown = IMAGE.replace("web", f"new-{namespace}")
            assert "connection refused" in pod(world.changed, namespace, unknown)
        assert pod(world.other, image=BAD_IMAGE)["containers"]
    finally:
        world.images.start()


def test_disabled_plugins_fill_nothing_in(world: World) -> None:
    """DefaultTolerationSeconds, DefaultStorageClass, DefaultIngressClass; the other server has them."""
    volume, ingress = f"{NAMESPACES}/plain/persistentvolumeclaims", "/apis/networking.k8s.io/v1"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    found = []
    for made in (world.changed, world.other):
        ask = made.server.ask
        storage = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}, "name": "fast"}
        ask("POST", "/apis/storage.k8s.io/v1/storageclasses", {"metadata": storage, "provisioner": "example.com/x"})
        web = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}, "name": "web"}
        body = {"metadata": web, "spec": {"controller": "example.com/x"}}
        ask("POST", f"{ingress}/ingressclasses", body)
        rule = {
            "metadata": {"name": "x"},
            "spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 1}}}},
        }

        def filled(ask: Any = ask, rule: Any = rule) -> tuple[Any, Any]:
            made_claim = ask("POST", f"{volume}?dryRun=All", {"metadata": {"name": "x"}, "spec": claim})
            made_ingress = ask("POST", f"{ingress}/namespaces/plain/ingresses?dryRun=All", rule)
            return made_claim["spec"].get("storageClassName"), made_ingress["spec"].get("ingressClassName")

        if made is world.changed:
            becomes(lambda filled=filled: filled(), ("fast", "web"), 60, "the plugins know the classes")  # type: ignore[misc]
        found.append((*filled(), bool(keys(pod(made)))))
    assert found == [("fast", "web", True), (None, None, False)]
