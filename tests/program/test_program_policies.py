"""The program with network policies that are enforced: the engine, its order and rights, isolated namespaces."""

from functools import cache

from clusters import cluster, lock_data
from recording import REMOTE, Recording, page, recorded, run

from components.artifacts.choice import image_versions
from components.config import load

RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
ADMISSION = "kubernetes:admissionregistration.k8s.io/v1:"
ENGINE = "kube-network-policies"
NAMESPACES = [{"name": "shop", "network": "isolated"}, {"name": "batch"}]
CHANGE = {"network.policies": "enforced", "access.namespaces": NAMESPACES}


@cache
def enforced() -> Recording:
    """The program with policies that are enforced, one isolated and one open namespace."""
    found = run(page("stacked", CHANGE), lock=lock_data(cluster("stacked").page))
    assert found.error is None
    return found


def test_without_the_option_nothing_is_there() -> None:
    """No object, no file of a node, no image: an upgrade of hardway changes nothing on a running cluster."""
    before = recorded("stacked")
    assert not [one for one in before.resources if ENGINE in one.name or one.type.endswith("NetworkPolicy")]
    assert not [one for one in before.of(ADMISSION) if "hardway" in one.name]
    assert ENGINE not in image_versions(load(page("stacked")))
    paths = {path for one in before.of("hardway:node:NodeRelease") for path in one.inputs["manifest"]}
    assert paths and not [path for path in paths if "network-policies" in path]


def test_the_engine_runs_on_every_node_with_one_capability() -> None:
    spec = enforced().named("kubernetes:apps/v1:DaemonSet", f"{ENGINE}-daemons").inputs["spec"]["template"]["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}] and spec["hostNetwork"] is True
    assert spec["priorityClassName"] == "system-node-critical"
    assert "volumes" not in spec
    # While one pod takes the place of another, new connections of pods wait.
    assert spec["terminationGracePeriodSeconds"] == 1
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "@sha256:" in container["image"]
    program, watch = spec["containers"]
    assert program["image"].startswith("registry.k8s.io/networking/kube-network-policies:v0.8.0@")
    assert not [argument for argument in program["args"] if "fail-open" in argument]
    assert "--metrics-bind-address=127.0.0.1:10251" in program["args"]
    # What the probe asks for is what the engine makes, and not what the node begins with.
    assert watch["readinessProbe"]["exec"]["command"][-2:] == [ENGINE, "postrouting"]


def test_the_engine_reads_what_it_needs_and_nothing_else() -> None:
    role = enforced().named(f"{RBAC}ClusterRole", f"{ENGINE}-role")
    assert role.inputs["rules"] == [
        {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"]},
    ]


def test_pods_come_after_the_engine() -> None:
    """A node refuses connections of its pods until the engine has its rules, so CoreDNS could not start before."""
    daemons = enforced().named("kubernetes:apps/v1:DaemonSet", f"{ENGINE}-daemons")
    assert enforced().comes_after(daemons, enforced().named("kubernetes:apps/v1:DaemonSet", "flannel-daemons"))
    assert enforced().comes_after(enforced().named("kubernetes:apps/v1:Deployment", "coredns-servers"), daemons)
    assert enforced().comes_after(daemons, enforced().named(REMOTE, "worker-2-activate")) is False


def test_an_isolated_namespace_has_its_policy_before_anybody_has_rights_there() -> None:
    (policy,) = enforced().of("kubernetes:networking.k8s.io/v1:NetworkPolicy")
    assert (policy.inputs["metadata"]["name"], policy.inputs["metadata"]["namespace"]) == ("hardway", "shop")
    # The page decides what limits people, also if somebody has changed the object by hand.
    assert policy.inputs["metadata"]["annotations"]["pulumi.com/patchForce"] == "true"
    (guard,) = [one for one in enforced().of(ADMISSION) if one.name == "hardway-network-policies-binding"]
    for binding in enforced().of(f"{RBAC}RoleBinding"):
        if binding.inputs["metadata"]["namespace"] == "shop":
            assert enforced().comes_after(binding, policy) and enforced().comes_after(binding, guard)


def test_every_kubernetes_node_gets_the_unit() -> None:
    releases = enforced().of("hardway:node:NodeRelease")
    assert len(releases) == 5
    for release in releases:
        assert {"cfg/network-policies.sh", "cfg/network-policies.nft"} <= release.inputs["manifest"].keys()


def test_a_lock_without_the_image_is_an_error_that_says_what_to_do() -> None:
    lock = lock_data(cluster("stacked").page)
    del lock["images"][ENGINE]
    found = run(page("stacked", CHANGE), lock=lock)
    assert "no image kube-network-policies 0.8.0" in str(found.error)
