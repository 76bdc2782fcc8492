"""Objects in the API of the new cluster: when they are made, with which provider, and when they are deleted."""

from datetime import UTC, datetime, timedelta

import pytest
from archives import unpack
from clusters import NAMES, cluster
from recording import LOCAL, PROVIDER, REMOTE, Recording, Resource, page, recorded

ALL = pytest.mark.parametrize("name", NAMES)
OBJECTS = "kubernetes:"


def api_ready(run: Recording, name: str) -> list[Resource]:
    """Activations after which every API server answers. A member of etcd that runs pods may come later."""
    nodes = [n["name"] for n in page(name)["nodes"] if "control-plane" in n["roles"] or n["roles"] == ["etcd"]]
    return [run.named(REMOTE, f"{node}-activate") for node in nodes]


@ALL
def test_there_is_one_provider_and_it_waits_for_the_api(name: str) -> None:
    run = recorded(name)
    (provider,) = run.of(PROVIDER)
    for activation in api_ready(run, name):
        assert run.comes_after(provider, activation)
    # The name is known in the first preview. With an unknown name, every object would be shown as replaced.
    assert provider.inputs["clusterIdentifier"] == page(name)["cluster"]["name"]


@ALL
def test_every_object_goes_through_that_provider_and_waits_for_the_api(name: str) -> None:
    run = recorded(name)
    (provider,) = run.of(PROVIDER)
    assert len(run.of(OBJECTS)) > 20
    for object_ in run.of(OBJECTS):
        assert object_.provider == provider.urn, object_.name
        for activation in api_ready(run, name):
            assert run.comes_after(object_, activation), object_.name


@ALL
def test_every_object_goes_with_the_control_plane(name: str) -> None:
    run = recorded(name)
    (control_plane,) = run.of("hardway:controlplane:ControlPlane")
    for object_ in run.of(OBJECTS):
        assert object_.deleted_with == control_plane.urn, object_.name


@ALL
def test_every_object_has_the_same_owner(name: str) -> None:
    """The provider would make up a name, which a killed run loses: then nobody could change the object any more."""
    for object_ in recorded(name).of(OBJECTS):
        annotations = object_.inputs["metadata"]["annotations"]
        assert annotations["pulumi.com/patchFieldManager"] == "hardway", object_.name
    (node, *_) = recorded(name).of("kubernetes:core/v1:Node")
    assert node.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready", "its own are kept"


@ALL
def test_the_way_to_the_api_is_there_first(name: str) -> None:
    run = recorded(name)
    (provider,) = run.of(PROVIDER)
    assert run.comes_after(provider, run.named(LOCAL, "gateway-machine"))


@ALL
def test_every_object_has_a_name_of_its_own(name: str) -> None:
    """Without `metadata.name` the provider makes up names, but components need fixed names."""
    run = recorded(name)
    found = []
    for object_ in run.of(OBJECTS):
        metadata = object_.inputs["metadata"]
        assert metadata["name"], object_.name
        found.append((object_.type, metadata.get("namespace"), metadata["name"]))
    assert len(set(found)) == len(found)


@ALL
def test_every_machine_with_a_kubelet_is_a_node(name: str) -> None:
    run = recorded(name)
    kubelets = cluster(name).topology.kubelet_nodes
    assert {o.name for o in run.of("kubernetes:core/v1:Node")} == {f"node-{node.name}" for node in kubelets}
    for node in kubelets:
        inputs = run.named("kubernetes:core/v1:Node", f"node-{node.name}").inputs
        role = {"node-role.kubernetes.io/control-plane": ""} if node.is_control_plane else {}
        assert inputs["metadata"]["name"] == node.name
        own = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
        own |= {"app.kubernetes.io/managed-by": "hardway"}
        assert inputs["metadata"]["labels"] == own | role | dict(node.labels)
        assert inputs["spec"]["taints"] == [taint.as_dict() for taint in node.taints]
        # tests/integration/test_node_objects.py says why.
        assert run.named("kubernetes:core/v1:Node", f"node-{node.name}").before_update == ("remove-taints",)


@ALL
def test_images_are_pinned_by_digest(name: str) -> None:
    run = recorded(name)
    workloads = [o for o in run.of("kubernetes:apps/v1:") if "template" in o.inputs["spec"]]
    assert len(workloads) == 2
    for workload in workloads:
        for container in workload.inputs["spec"]["template"]["spec"]["containers"]:
            image, _, digest = container["image"].partition("@sha256:")
            assert ":" in image
            assert len(digest) == 64


@ALL
def test_objects_follow_the_page(name: str) -> None:
    run, made = recorded(name), cluster(name)
    service = run.named("kubernetes:core/v1:Service", "coredns-service").inputs["spec"]
    assert service["clusterIP"] == made.topology.dns_address
    deployment = run.named("kubernetes:apps/v1:Deployment", "coredns-servers").inputs["spec"]
    assert deployment["replicas"] == made.page.dns.replicas
    daemons = run.named("kubernetes:apps/v1:DaemonSet", "flannel-daemons").inputs["spec"]["template"]["spec"]
    environment = {variable["name"]: variable.get("value") for variable in daemons["containers"][0]["env"]}
    assert environment["KUBERNETES_SERVICE_HOST"] == "127.0.0.1"
    assert environment["KUBERNETES_SERVICE_PORT"] == str(made.topology.node_local_port)
    for developer in made.page.access.developers:
        binding = run.named("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", f"developers-{developer.namespace}")
        assert binding.inputs["subjects"][0]["name"] == f"hardway:developers:{developer.namespace}"
        assert binding.inputs["metadata"]["namespace"] == developer.namespace


@ALL
def test_bootstrap_tokens_end_within_the_hour(name: str) -> None:
    """One for each kubelet; the API and the machine have the same token and the same end."""
    run = recorded(name)
    kubelets = [node["name"] for node in page(name)["nodes"] if {"control-plane", "worker"} & set(node["roles"])]
    tokens = {run.named("pulumi:index:Stash", f"{node}-bootstrap-token").inputs["input"] for node in kubelets}
    assert len(tokens) == len(kubelets)
    for node in kubelets:
        secret = run.named("kubernetes:core/v1:Secret", f"{node}-bootstrap-token").inputs
        token_id, token_secret, end = (
            run.named("pulumi:index:Stash", f"{node}-bootstrap-token").inputs["input"].split(".")
        )
        assert secret["metadata"]["name"] == f"bootstrap-token-{token_id}"
        assert secret["metadata"]["namespace"] == "kube-system"
        assert secret["stringData"]["token-id"] == token_id
        assert secret["stringData"]["token-secret"] == token_secret
        ends = datetime.fromisoformat(secret["stringData"]["expiration"])
        assert ends.timestamp() == int(end)
        assert timedelta(minutes=50) < ends - datetime.now(UTC) <= timedelta(hours=1)
        files = unpack(run.named("command:remote:Command", f"{node}-stage").inputs["stdin"])
        assert files["ssl/kubelet/bootstrap-token"].content == f"{token_id}.{token_secret}"
        assert files["ssl/kubelet/bootstrap-token-end"].content == f"{end}\n"
