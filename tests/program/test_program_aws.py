"""The program with machines in AWS, against the fake engine: resources, their order, their protection."""

import base64
import json
from functools import cache
from typing import Any

import pytest
import yaml
from clusters import lock_data
from conftest import Values, changed, page_values
from fake_engine import plain
from recording import LOCAL, PROVIDER, REMOTE, Recording, Resource, leaves, run

from components.config import load
from components.machines.ssh import Route
from components.membership.removed_nodes import RemovalRequest
from components.resource_names import GRANT

INSTANCE, VOLUME, ATTACHMENT = (
    "aws:ec2/instance:Instance",
    "aws:ebs/volume:Volume",
    "aws:ec2/volumeAttachment:VolumeAttachment",
)
NODES = ("cp-1", "cp-2", "cp-3", "worker-1", "worker-2", "worker-3")
CONTROL_PLANE = NODES[:3]
GIVEN: Values = {
    "id": "vpc-0123456789abcdef0",
    "subnets": [{"id": "subnet-0123456789abcdef0", "zone": "a", "cidr": "10.81.0.0/20"}],
    "publicSubnets": ["subnet-0123456789abcdef9"],
}
IN_GIVEN = {"machines.network": {"vpc": GIVEN}, "nodes[2].address": None}


def made(change: Values | None = None, **options: Any) -> Recording:
    values = changed(page_values("aws"), change or {})
    return run(values, lock=lock_data(load(values)), **options)


@cache
def usual(preview: bool = False) -> Recording:
    """A run with the unchanged page, shared by all tests."""
    found = made(preview=preview)
    assert found.error is None, found.error
    return found


def machine(run_: Recording, node: str) -> Resource:
    return run_.named(INSTANCE, f"{node}-machine")


def user_data(instance: Resource) -> str:
    return base64.b64decode(instance.inputs["userDataBase64"]).decode()


def test_every_machine_is_safe_by_default() -> None:
    """Metadata service with version 2 and for the machine only, encrypted disks, no public address."""
    for instance in usual().of(INSTANCE):
        inputs = instance.inputs
        assert inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
            "instanceMetadataTags": "disabled",
        }
        assert inputs["rootBlockDevice"]["encrypted"] is True
        assert inputs["rootBlockDevice"]["volumeType"] == "gp3"
        assert "associatePublicIpAddress" not in inputs
        assert inputs["sourceDestCheck"] is True


def test_no_subnet_gives_public_addresses() -> None:
    assert {subnet.inputs["mapPublicIpOnLaunch"] for subnet in usual().of("aws:ec2/subnet:Subnet")} == {False}


def test_machines_have_the_type_disk_zone_and_address_of_the_page() -> None:
    found = {name: machine(usual(), name).inputs for name in NODES}
    assert {
        (i["instanceType"], i["rootBlockDevice"]["volumeSize"]) for n, i in found.items() if n in CONTROL_PLANE
    } == {("m6i.large", 40)}
    assert {(i["instanceType"], i["rootBlockDevice"]["volumeSize"]) for n, i in found.items() if n[0] == "w"} == {
        ("m6i.xlarge", 50)
    }
    assert [found[name]["subnetId"] for name in NODES] == [f"machines-{zone}-id" for zone in "abcabc"]
    nodes = plain(usual().outputs["nodes"])
    assert {name: inputs["privateIp"] for name, inputs in found.items()} == {n: v["address"] for n, v in nodes.items()}
    assert found["cp-3"]["privateIp"] == "10.80.32.23"


def test_every_machine_keeps_its_image_and_user_data_and_gives_its_address_back_first() -> None:
    for instance in usual().of(INSTANCE):
        assert instance.ignore_changes == ("ami", "userDataBase64")
        assert instance.delete_before_replace
        assert instance.inputs["ami"] == "ami-0123456789abcdef0"


def test_user_data_is_secret_and_has_the_key_that_the_program_expects() -> None:
    found = usual()
    for name in (*NODES, "bastion"):
        instance = machine(found, name)
        assert all(leaf.secret for leaf in leaves(dict(instance.raw)) if leaf.path == "userDataBase64")
        booting = yaml.safe_load(user_data(instance))
        assert booting["ssh_keys"]["ed25519_public"] == f"ssh-ed25519 {name}-ssh-host"
        assert booting["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 aws-ssh"]


def test_commands_go_through_the_bastion_to_known_hosts() -> None:
    for command in usual().of(REMOTE):
        node = "cp-1" if command.name == GRANT else command.name.rpartition("-")[0]
        connection = command.inputs["connection"]
        assert connection["host"] == machine(usual(), node).inputs["privateIp"]
        assert (connection["user"], connection["hostKey"]) == ("hardway", f"ssh-ed25519 {node}-ssh-host")
        proxy = connection["proxy"]
        assert (proxy["host"], proxy["user"], proxy["hostKey"]) == (
            "192.0.2.9",
            "hardway",
            "ssh-ed25519 bastion-ssh-host",
        )
        assert command.deleted_with == machine(usual(), node).urn
        assert command.inputs["create"].startswith("sudo -n sh ")


def test_the_login_key_of_each_instance_and_of_the_bastion_is_replaced() -> None:
    """In the second step: the program logs in with the second key, and every instance accepts both."""
    found = made({"pki.generations": {"ssh": {"trusted": [1, 2], "active": 2}}})
    assert found.error is None
    for name in (*NODES, "bastion"):
        command = found.named(REMOTE, f"{name}-authorized-keys")
        assert command.deleted_with == machine(found, name).urn
        for number in ("1", "2"):
            assert f"hardway-login-{number}'" in command.inputs["create"]
    for command in found.of(REMOTE):
        assert command.inputs["connection"]["privateKey"] == found.outputs["sshKey"]["value"]
        assert "aws-ssh-2" in command.inputs["connection"]["privateKey"]
    assert yaml.safe_load(user_data(machine(found, "bastion")))["users"][0]["ssh_authorized_keys"] == [
        "ssh-ed25519 aws-ssh hardway-login-1",
        "ssh-ed25519 aws-ssh-2 hardway-login-2",
    ]
    assert not [r for r in usual().of(REMOTE) if r.name.endswith("-authorized-keys")]


def test_who_takes_others_out_of_the_cluster_is_reached_through_the_bastion_too() -> None:
    told = RemovalRequest.from_json(usual().named(LOCAL, "membership").inputs["stdin"])
    first = machine(usual(), CONTROL_PLANE[0])
    assert told.routes["cp-1"] == Route(
        first.inputs["privateIp"], 22, "hardway", f"ssh-ed25519 {CONTROL_PLANE[0]}-ssh-host"
    )
    assert told.bastion is not None
    assert (told.bastion.host, told.bastion.user) == ("192.0.2.9", "hardway")
    assert told.bastion.host_key == "ssh-ed25519 bastion-ssh-host"
    assert told.become == "sudo -n "


def test_a_release_waits_for_the_first_boot_and_the_data_volume() -> None:
    found = usual()
    for node in NODES:
        stage = found.named(REMOTE, f"{node}-stage")
        assert ("mountpoint -q /var/lib/etcd" in stage.inputs["create"]) == (node in CONTROL_PLANE)
        assert "cloud-init status --wait" in stage.inputs["create"]
        if node in CONTROL_PLANE:
            assert found.comes_after(stage, found.named(ATTACHMENT, f"{node}-data"))


def test_machines_boot_when_they_can_reach_the_internet_and_rules_are_there() -> None:
    found = usual()
    rules = [*found.of("aws:vpc/"), *found.of("aws:ec2/route:Route")]
    for instance in found.of(INSTANCE):
        for rule in rules:
            assert found.comes_after(instance, rule)


def test_etcds_data_is_encrypted_of_its_own_and_outlives_its_machine() -> None:
    found = usual()
    assert {volume.name for volume in found.of(VOLUME)} == {f"{node}-data" for node in CONTROL_PLANE}
    for zone, node in zip("abc", CONTROL_PLANE, strict=True):
        volume, attachment = found.named(VOLUME, f"{node}-data"), found.named(ATTACHMENT, f"{node}-data")
        inputs = volume.inputs
        assert (inputs["availabilityZone"], inputs["encrypted"], inputs["type"], inputs["size"]) == (
            f"eu-central-1{zone}",
            True,
            "gp3",
            20,
        )
        assert volume.deleted_with == ""
        assert not found.comes_after(volume, machine(found, node))
        assert attachment.deleted_with == machine(found, node).urn
        assert f"volumes-{volume.name}" not in attachment.inputs
        assert attachment.inputs["instanceId"] == f"{node}-machine-id"
        assert f"{node}-data-id".replace("-", "") in user_data(machine(found, node)).replace("-", "")


@pytest.mark.parametrize("protected", [True, False])
def test_what_is_protected(protected: bool) -> None:
    found = usual() if protected else made({"machines.protected": False})
    names = {f"{resource.type.rpartition(':')[2]} {resource.name}" for resource in found.resources if resource.protect}
    wanted = {"LoadBalancer cloud-api"} | {
        f"{w} {n}-{p}" for n in CONTROL_PLANE for w, p in (("Instance", "machine"), ("Volume", "data"))
    }
    assert names == (wanted if protected else set())
    for name in NODES:
        assert machine(found, name).inputs["disableApiTermination"] == (protected and name in CONTROL_PLANE)
    balancer = found.named("aws:lb/loadBalancer:LoadBalancer", "cloud-api").inputs
    assert balancer["enableDeletionProtection"] == protected


def test_everything_of_aws_is_marked_and_comes_from_one_provider() -> None:
    found = usual()
    (provider,) = found.of("pulumi:providers:aws")
    assert provider.inputs["region"] == "eu-central-1"
    for resource in found.of("aws:"):
        assert resource.provider == provider.urn
        if "tags" in resource.inputs:
            tags = resource.inputs["tags"]
            assert (tags["team"], tags["hardway:stack"], tags["hardway:cluster"]) == ("platform", "test", "cloud")
    marked = [
        r.name
        for r in found.of("aws:ec2/securityGroup:SecurityGroup")
        if "kubernetes.io/cluster/cloud" in r.inputs["tags"]
    ]
    assert marked == ["machine"]
    for name in NODES:
        assert machine(found, name).inputs["tags"]["kubernetes.io/cluster/cloud"] == "owned"


def test_security_groups_have_no_rules_of_their_own() -> None:
    """Rules in a group resource and separate rule resources would remove each other."""
    for group in usual().of("aws:ec2/securityGroup:SecurityGroup"):
        assert not {"ingress", "egress"} & set(group.inputs)
    default = usual().named("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "default-group").inputs
    assert (default["ingress"], default["egress"]) == ([], [])


def test_the_load_balancer_asks_every_api_server_whether_it_is_ready() -> None:
    found = usual()
    targets = found.named("aws:lb/targetGroup:TargetGroup", "cloud-api").inputs
    health = targets["healthCheck"]
    assert (targets["port"], targets["protocol"]) == (6443, "TCP")
    assert (health["protocol"], health["path"], health["port"]) == ("HTTPS", "/readyz", "traffic-port")
    attached = {r.inputs["targetId"] for r in found.of("aws:lb/targetGroupAttachment:TargetGroupAttachment")}
    assert attached == {f"{node}-machine-id" for node in CONTROL_PLANE}
    assert found.named("aws:lb/loadBalancer:LoadBalancer", "cloud-api").inputs["internal"] is False


def test_the_api_is_asked_when_the_load_balancer_leads_there() -> None:
    found = usual()
    (provider,) = found.of(PROVIDER)
    assert found.comes_after(provider, found.named("aws:lb/listener:Listener", "api"))
    for node in CONTROL_PLANE:
        assert found.comes_after(
            provider, found.named("aws:lb/targetGroupAttachment:TargetGroupAttachment", f"{node}-api")
        )


def cluster_of(kubeconfig: str) -> Values:
    found: Values = json.loads(kubeconfig)["clusters"][0]["cluster"]
    return found


def test_kubeconfigs_lead_to_the_load_balancer_and_expect_a_name_of_the_certificate() -> None:
    found = usual()
    outputs = plain(found.outputs)
    (provider,) = found.of(PROVIDER)
    for text in (outputs["kubeconfig"], outputs["developerKubeconfigs"]["developer"], provider.inputs["kubeconfig"]):
        cluster = cluster_of(text)
        assert cluster["server"] == "https://cloud-api-0123.elb.amazonaws.com:6443"
        assert cluster["tls-server-name"] == "kubernetes.default.svc.cluster.local"
    assert outputs["endpoint"] == "https://cloud-api-0123.elb.amazonaws.com:6443"
    assert (outputs["loadBalancer"], outputs["bastion"]) == ("cloud-api-0123.elb.amazonaws.com", "192.0.2.9")
    assert all(leaf.secret for leaf in leaves(found.outputs["sshKey"]))
    assert outputs["etcd"].startswith("ssh -J hardway@192.0.2.9:22 hardway@10.80.8.151 'sudo -n sh -c ")


def test_people_use_the_name_of_the_page_and_the_program_needs_no_dns_record() -> None:
    found = made({"machines.endpoint.name": "api.example.com"})
    outputs = plain(found.outputs)
    assert cluster_of(outputs["kubeconfig"])["server"] == outputs["endpoint"] == "https://api.example.com:6443"
    assert "tls-server-name" not in cluster_of(outputs["kubeconfig"])
    (provider,) = found.of(PROVIDER)
    own = cluster_of(provider.inputs["kubeconfig"])
    assert (own["server"], own["tls-server-name"]) == (
        "https://cloud-api-0123.elb.amazonaws.com:6443",
        "api.example.com",
    )


def test_a_preview_asks_for_the_same_as_an_up_and_knows_all_addresses() -> None:
    preview, up = usual(preview=True), usual()
    assert sorted(preview.by_urn) == sorted(up.by_urn)
    for name in NODES:
        assert machine(preview, name).inputs["privateIp"] == machine(up, name).inputs["privateIp"]
    for urn, resource in up.by_urn.items():
        assert set(preview.by_urn[urn].dependencies) == set(resource.dependencies), resource.name


def test_a_machine_that_leaves_touches_no_other() -> None:
    values = page_values("aws")
    values["nodes"] = [node for node in values["nodes"] if node["name"] != "worker-2"]
    fewer = run(values, lock=lock_data(load(values)))
    left = set(usual().by_urn) - set(fewer.by_urn)
    assert {usual().by_urn[urn].name for urn in left} >= {"worker-2-machine", "worker-2-ssh-host", "worker-2-stage"}
    assert all("worker-2" in usual().by_urn[urn].name for urn in left)
    for instance in fewer.of("aws:"):
        assert instance.raw == usual().by_urn[instance.urn].raw, instance.name


# --- other pages -------------------------------------------------------------------------------------------------


def test_a_given_vpc_is_left_alone() -> None:
    found = made(IN_GIVEN)
    assert found.error is None, found.error
    kinds = {resource.type.rpartition(":")[2] for resource in found.of("aws:")}
    assert not {"Vpc", "Subnet", "Route", "RouteTable", "NatGateway", "InternetGateway", "DefaultSecurityGroup"} & kinds
    assert {i.inputs["subnetId"] for i in found.of(INSTANCE)} == {
        "subnet-0123456789abcdef0",
        "subnet-0123456789abcdef9",
    }
    assert machine(found, "bastion").inputs["subnetId"] == "subnet-0123456789abcdef9"
    balancer = found.named("aws:lb/loadBalancer:LoadBalancer", "cloud-api").inputs
    assert balancer["subnets"] == ["subnet-0123456789abcdef9"]


def test_an_internal_endpoint_of_a_given_vpc_is_among_the_machines() -> None:
    found = made(
        {**IN_GIVEN, "machines.endpoint": {}, "machines.bastion": None, "machines.sshClients": ["10.1.0.0/16"]}
    )
    balancer = found.named("aws:lb/loadBalancer:LoadBalancer", "cloud-api").inputs
    assert (balancer["internal"], balancer["subnets"]) == (True, ["subnet-0123456789abcdef0"])
    (command, *_) = found.of(REMOTE)
    assert "proxy" not in command.inputs["connection"]
    assert "bastion" not in found.outputs


def test_pods_without_a_tunnel_need_machines_that_forward() -> None:
    found = made({"network.flannel.backend": "host-gw", "machines.network.zones": ["a"], "nodes[2].address": None})
    assert {name: machine(found, name).inputs["sourceDestCheck"] for name in NODES} == dict.fromkeys(NODES, False)


@pytest.mark.parametrize(("nat", "gateways"), [("none", 0), ("one", 1), ("perZone", 3)])
def test_ways_to_the_internet(nat: str, gateways: int) -> None:
    found = made({"machines.network.nat": nat})
    assert len(found.of("aws:ec2/natGateway:NatGateway")) == gateways
    routes = {r.name: r.inputs.get("natGatewayId") for r in found.of("aws:ec2/route:Route")}
    ways = {"none": {}, "one": dict.fromkeys("abc", "a"), "perZone": {zone: zone for zone in "abc"}}[nat]
    assert routes == {"front": None, **{f"machines-{zone}": f"nat-{way}-id" for zone, way in ways.items()}}


def test_without_anything_public_there_is_no_internet_gateway() -> None:
    found = made({"machines.network.nat": "none", "machines.endpoint": {}, "machines.bastion": None})
    assert found.of("aws:ec2/internetGateway:InternetGateway") == []


# --- what ends before anything is made ---------------------------------------------------------------------------


def test_no_credentials_is_a_sentence() -> None:
    ended = made(extra={"FAKE_CALLS": "refused"})
    assert ended.error is not None
    assert ended.error["type"] == "RunError"
    assert ended.error["text"] == (
        "AWS in eu-central-1 does not tell who this is: there are no credentials; set AWS_PROFILE, or "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where an IAM role provides them"
    )
    assert ended.of("aws:") == []


def test_a_zone_that_the_region_lacks_is_a_sentence() -> None:
    ended = made({"machines.network.zones": ["a", "b", "f"]})
    text = "hardway:machines.network.zones[2]: 'f' is no zone of eu-central-1; allowed: a, b, c"
    assert ended.error == {"type": "RunError", "text": text}
    assert ended.of("aws:") == []


def test_a_given_subnet_is_where_the_page_says() -> None:
    wrong = {**GIVEN, "subnets": [{**GIVEN["subnets"][0], "cidr": "10.81.0.0/21"}]}
    ended = made({**IN_GIVEN, "machines.network": {"vpc": wrong}})
    assert ended.error is not None
    assert ended.error["text"] == (
        "hardway:machines.network.vpc.subnets[0].cidr: subnet-0123456789abcdef0 is in 10.81.0.0/21 on the page "
        "and in 10.81.0.0/20 in AWS; allowed: the value from AWS"
    )
    assert ended.of("aws:") == []


def test_an_image_by_id_is_not_asked_for() -> None:
    found = made({"machines.image": "ami-0fedcba9876543210"})
    assert {instance.inputs["ami"] for instance in found.of(INSTANCE)} == {"ami-0fedcba9876543210"}
