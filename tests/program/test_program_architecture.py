"""The program with nodes of two architectures: programs, images and preflight of hosts; types and AMIs in AWS."""

import json
from functools import cache
from typing import Any

import pytest
from archives import unpack
from clusters import lock_data
from conftest import Values, changed, page_values
from recording import LOCAL, REMOTE, Recording, page, run

from components.artifacts.lock import UPSTREAM_LOCK
from components.config import load

DAEMONS, COREDNS = "kubernetes:apps/v1:DaemonSet", "kubernetes:apps/v1:Deployment"
INSTANCE = "aws:ec2/instance:Instance"
FLANNEL = json.loads(UPSTREAM_LOCK.read_text())["images"]["flannel"]["0.28.9"]
AMD64_AMI, ARM64_AMI = "ami-0123456789abcdef0", "ami-0123456789abcdefa"
ARM64 = {"type": "m7g.large", "architecture": "arm64"}
WORKERS = {"machines.worker": ARM64}


@cache
def mixed() -> Recording:
    """Existing hosts with the committed lock."""
    found = run(page("mixed"))
    assert found.error is None, found.error
    return found


def in_aws(change: Values | None = None, **extra: str) -> Recording:
    values = changed(page_values("aws"), change or {})
    return run(values, lock=lock_data(load(values)), extra=extra)


def refused(change: Values, **extra: str) -> str:
    """The sentence with which a run ends before anything is made."""
    ended = in_aws(change, **extra)
    assert ended.error is not None and ended.error["type"] == "RunError", ended.error
    assert ended.of("aws:") == []
    return ended.error["text"]


# --- existing hosts -----------------------------------------------------------------------------------------------


def test_each_host_fetches_programs_for_its_processor() -> None:
    for node, architecture, other in (("cp-1", "amd64", "arm64"), ("worker-1", "arm64", "amd64")):
        stage = mixed().named(REMOTE, f"{node}-stage")
        plan = "\n".join(packed.content for packed in unpack(stage.inputs["stdin"]).values())
        assert f"/bin/linux/{architecture}/kubelet" in plan and f"runc.{architecture}" in plan
        assert f"linux/{other}/" not in plan and f"runc.{other}" not in plan


def test_flannel_runs_everywhere_if_its_image_has_a_digest_for_each_architecture() -> None:
    sets = {daemons.name: daemons.inputs for daemons in mixed().of(DAEMONS)}
    assert set(sets) == {"flannel-daemons", "flannel-daemons-arm64"}
    for name, architecture in (("flannel-daemons", "amd64"), ("flannel-daemons-arm64", "arm64")):
        spec = sets[name]["spec"]
        pod = spec["template"]["spec"]
        assert pod["nodeSelector"] == {"kubernetes.io/arch": architecture}
        assert pod["containers"][0]["image"] == f"{FLANNEL['reference']}@{FLANNEL['digest'][architecture]}"
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    labels = [daemons["spec"]["selector"]["matchLabels"]["app"] for daemons in sets.values()]
    assert labels == [daemons["metadata"]["name"] for daemons in sets.values()] == ["flannel", "flannel-arm64"]
    # Pods of CoreDNS come when every node has a network.
    (coredns,) = mixed().of(COREDNS)
    assert all(mixed().comes_after(coredns, daemons) for daemons in mixed().of(DAEMONS))


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_one_architecture_has_one_set_of_daemons_on_all_nodes(architecture: str) -> None:
    found = run(page("mixed", {f"nodes[{index}].architecture": architecture for index in range(3)}))
    assert found.error is None, found.error
    (daemons,) = found.of(DAEMONS)
    pod = daemons.inputs["spec"]["template"]["spec"]
    assert (daemons.name, daemons.inputs["metadata"]["name"]) == ("flannel-daemons", "flannel")
    assert pod["containers"][0]["image"].endswith(FLANNEL["digest"][architecture])
    assert "nodeSelector" not in pod


def test_the_digest_of_an_index_needs_one_set_of_daemons() -> None:
    values = page("mixed", {"artifacts.source": "mirror", "artifacts.mirror": "http://mirror.example.com"})
    found = run(values, lock=lock_data(load(page_values("mixed"))))
    assert found.error is None, found.error
    assert [daemons.name for daemons in found.of(DAEMONS)] == ["flannel-daemons"]


def test_the_preflight_is_told_what_is_unusual() -> None:
    """What an amd64 host is asked has not changed: a host that is dead today stays a host for which nothing changes."""
    told = json.loads(mixed().named(LOCAL, "hosts-preflight").inputs["stdin"])
    found = {target["name"]: target["needs"].get("ARCHITECTURE") for target in told["targets"]}
    assert found == {"cp-1": None, "worker-1": "arm64", "worker-2": None}


def test_built_programs_of_another_processor_end_the_run() -> None:
    values = page("mixed", {"artifacts.source": "mirror", "artifacts.mirror": "http://mirror.example.com"})
    ended = run(values, lock=lock_data(load(page("mixed", {"nodes[1].architecture": "amd64"}))))
    assert ended.error is not None
    assert "(amd64), and worker-1 is arm64; set hardway:artifacts.source to upstream" in ended.error["text"]
    assert ended.resources == () or not ended.of(REMOTE)


# --- AWS ----------------------------------------------------------------------------------------------------------


def test_a_group_gets_the_ami_of_its_architecture() -> None:
    found = in_aws(WORKERS)
    assert found.error is None, found.error
    amis = {instance.name: instance.inputs["ami"] for instance in found.of(INSTANCE)}
    machines = {f"{name}-machine" for name in ("cp-1", "cp-2", "cp-3", "bastion")}
    assert {name for name, ami in amis.items() if ami == AMD64_AMI} == machines
    assert {name for name, ami in amis.items() if ami == ARM64_AMI} == {f"worker-{n}-machine" for n in "123"}
    assert {i.inputs["instanceType"] for i in found.of(INSTANCE) if i.name.startswith("worker")} == {"m7g.large"}


def test_a_whole_cluster_of_arm64_machines() -> None:
    all_of_it = {"machines.bastion.type": "t4g.micro", "machines.bastion.architecture": "arm64"}
    found = in_aws({**WORKERS, "machines.controlPlane": ARM64, **all_of_it})
    assert found.error is None, found.error
    assert {instance.inputs["ami"] for instance in found.of(INSTANCE)} == {ARM64_AMI}


def test_an_ami_of_the_page_is_for_its_architecture() -> None:
    found = in_aws({**WORKERS, "machines.imageArm64": ARM64_AMI, "machines.image": AMD64_AMI})
    assert found.error is None, found.error
    assert {instance.inputs["ami"] for instance in found.of(INSTANCE)} == {AMD64_AMI, ARM64_AMI}
    assert refused({**WORKERS, "machines.imageArm64": AMD64_AMI}) == (
        f"hardway:machines.imageArm64: {AMD64_AMI} is an AMI for amd64; allowed: an AMI for arm64"
    )
    assert refused(WORKERS, FAKE_AMI=AMD64_AMI) == (
        f"hardway:machines.imageArm64: /aws/service/debian/release/12/latest/arm64 holds {AMD64_AMI}, which is an AMI "
        "for amd64; allowed: an AMI for arm64"
    )


def test_aws_knows_a_type_better_than_its_name() -> None:
    assert refused({"machines.worker": {"type": "x9g.large", "architecture": "arm64"}}) == (
        "hardway:machines.worker.type: 'x9g.large' is an instance type for i386 and amd64 in AWS, and "
        "machines.worker.architecture is arm64; allowed: an instance type such as m7g.large"
    )


def test_a_machine_that_exists_keeps_its_processor() -> None:
    usual = in_aws(WORKERS)
    address = usual.named(INSTANCE, "worker-2-machine").inputs["privateIp"]
    cp = usual.named(INSTANCE, "cp-1-machine").inputs["privateIp"]
    there = {"cloud-worker-2": address, "cloud-cp-1": cp}
    assert refused(WORKERS, FAKE_MACHINES=json.dumps(there)) == (
        "hardway:nodes[4]: the machine of worker-2 exists and is amd64, and machines.worker.architecture is arm64; "
        "allowed: machines.worker.architecture: amd64; for another one take the node off the page, run `up`, and add "
        "the node again"
    )
    # The control plane is amd64 on the page as well.
    assert in_aws(WORKERS, FAKE_MACHINES=json.dumps({"cloud-cp-1": cp})).error is None
    bastion: dict[str, Any] = {"machines.bastion.type": "t4g.micro", "machines.bastion.architecture": "arm64"}
    assert refused(bastion, FAKE_MACHINES=json.dumps({"cloud-bastion": "10.80.128.9"})).startswith(
        "hardway:machines.bastion.architecture: 'arm64' is not the architecture of the bastion that exists, amd64; "
    )


def test_network_policies_are_enforced_on_nodes_of_each_architecture() -> None:
    """Their image is that of an index, but the image with `nft` is flannel's."""
    values = page("mixed", {"network.policies": "enforced"})
    found = run(values, lock=lock_data(load(values)))
    assert found.error is None, found.error
    sets = {one.name: one.inputs["spec"] for one in found.of(DAEMONS) if "policies" in one.name}
    assert set(sets) == {"kube-network-policies-daemons", "kube-network-policies-daemons-arm64"}
    for name, architecture in (("", "amd64"), ("-arm64", "arm64")):
        spec = sets[f"kube-network-policies-daemons{name}"]["template"]["spec"]
        assert spec["nodeSelector"] == {"kubernetes.io/arch": architecture}
        flannel = found.named(DAEMONS, f"flannel-daemons{name}").inputs["spec"]["template"]["spec"]
        assert spec["containers"][1]["image"] == flannel["containers"][0]["image"]
