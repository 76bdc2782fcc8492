"""What `up` makes, as AWS' own client sees it."""

import json

import pytest
import yaml
from botocore.exceptions import ClientError

from components.config import Page, load
from components.config.aws import AwsSection
from components.config.aws_places import front_subnets, machine_subnets, place_nodes
from components.machines.aws.firewall import rules
from tests.e2e.aws.account import Account, tags
from tests.e2e.aws.stack import WHOLE, AwsStack


@pytest.fixture(scope="module")
def page(stack: AwsStack) -> Page:
    return load(stack.page)


@pytest.fixture(scope="module")
def machines(page: Page) -> AwsSection:
    assert isinstance(page.machines, AwsSection)
    return page.machines


def test_each_node_has_its_machine_where_the_plan_says(
    stack: AwsStack, account: Account, page: Page, machines: AwsSection
) -> None:
    """Zone and private address of each instance. Only the bastion has a public address."""
    found = account.instances()
    assert set(found) == {"bastion", *(node.name for node in page.nodes)}
    for name, place in place_nodes(machines, page.nodes).items():
        assert found[name]["PrivateIpAddress"] == place.address
        assert found[name]["Placement"]["AvailabilityZone"] == f"{machines.region}{place.zone}"
    public = {name: instance.get("PublicIpAddress") for name, instance in found.items()}
    assert {name for name, address in public.items() if address} == {"bastion"}
    assert stack.output("bastion") == public["bastion"]
    assert stack.output("nodes")["cp-1"]["address"] == found["cp-1"]["PrivateIpAddress"]


def test_instances_are_safe(account: Account, page: Page, machines: AwsSection) -> None:
    """IMDSv2 only and not for pods, encrypted volumes, the source/destination check."""
    volumes = {volume["VolumeId"]: volume for volume in account.ec2.describe_volumes()["Volumes"]}
    for name, instance in account.instances().items():
        options = instance["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1), name
        assert instance["SourceDestCheck"] is True
        attached = [mapping["Ebs"]["VolumeId"] for mapping in instance["BlockDeviceMappings"]]
        assert len(attached) == (2 if name.startswith("cp-") else 1), name
        for volume in attached:
            assert volumes[volume]["Encrypted"] and volumes[volume]["VolumeType"] == "gp3", name
    assert len(volumes) == sum(2 if "etcd" in node.roles else 1 for node in page.nodes) + 1


def test_data_volumes_are_in_their_members_zone(account: Account, machines: AwsSection) -> None:
    """Each member of etcd has a separate volume with the size of the page, which is not deleted with the instance."""
    found = {tags(v)["Name"].partition("-")[2]: v for v in account.ec2.describe_volumes()["Volumes"] if "Tags" in v}
    data = {name.removesuffix("-data"): volume for name, volume in found.items() if name.endswith("-data")}
    instances = account.instances()
    assert set(data) == {"cp-1", "cp-2", "cp-3"}
    for name, volume in data.items():
        (attachment,) = volume["Attachments"]
        assert attachment["InstanceId"] == instances[name]["InstanceId"]
        assert not attachment.get("DeleteOnTermination")
        assert volume["AvailabilityZone"] == instances[name]["Placement"]["AvailabilityZone"]
        assert volume["Size"] == machines.etcd_data.size


def test_user_data_pins_the_hosts_key(stack: AwsStack, account: Account) -> None:
    """Each machine has its own host key in its user data, so the first connection can verify the machine."""
    keys = set()
    for name, instance in account.instances().items():
        booting = yaml.safe_load(account.user_data(instance))
        assert booting["hostname"] == name
        assert booting["ssh_keys"]["ed25519_private"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
        keys.add(booting["ssh_keys"]["ed25519_public"])
        if name.startswith("cp-"):
            data = next(m["Ebs"]["VolumeId"] for m in instance["BlockDeviceMappings"] if m["DeviceName"] == "/dev/sdf")
            assert data.replace("-", "") in booting["bootcmd"][0][-1]
    assert len(keys) == len(account.instances())


def test_networks_are_those_of_the_plan(account: Account, machines: AwsSection) -> None:
    """Subnets by zone. No subnet gives public addresses; only front subnets have a direct route to the internet."""
    (vpc,) = [v for v in account.ec2.describe_vpcs()["Vpcs"] if v["CidrBlock"] == machines.network.cidr]
    only = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    subnets = account.ec2.describe_subnets(Filters=only)["Subnets"]
    wanted = {**{f"machines-{z}": c for z, c in machine_subnets(machines).items()}}
    wanted |= {f"front-{z}": c for z, c in front_subnets(machines).items()}
    assert {tags(s)["Name"].partition("-")[2]: s["CidrBlock"] for s in subnets} == wanted
    assert not [s for s in subnets if s["MapPublicIpOnLaunch"]]
    names = {s["SubnetId"]: tags(s)["Name"].partition("-")[2] for s in subnets}
    ways = {}
    for table in account.ec2.describe_route_tables(Filters=only)["RouteTables"]:
        for route in table["Routes"]:
            if route.get("DestinationCidrBlock") == "0.0.0.0/0":
                way = "nat" if route.get("NatGatewayId") else "internet"
                ways |= {names[a["SubnetId"]]: way for a in table["Associations"] if "SubnetId" in a}
    assert ways == {name: "nat" if name.startswith("machines") else "internet" for name in wanted}


def test_firewall_is_the_table_and_nothing_else(account: Account, page: Page, machines: AwsSection) -> None:
    """Every rule of every group, in both directions. No rule allows incoming traffic from everywhere."""
    wanted = set()
    for rule in rules(page, machines):
        one, other = (rule.group, rule.other) if rule.outgoing else (rule.other, rule.group)
        ports = (
            ""
            if rule.protocol == "-1"
            else f" {rule.protocol} {rule.first}" + (f"-{rule.last}" if rule.last != rule.first else "")
        )
        wanted.add(f"{one} > {other}{ports}{' (out)' if rule.outgoing else ''}")
    found = account.rules()
    assert found == wanted
    assert not [rule for rule in found if rule.startswith("0.0.0.0/0")]


def test_groups_nobody_chose_let_nothing_through(account: Account, machines: AwsSection) -> None:
    """The default group of the VPC has no rules."""
    (vpc,) = [v for v in account.ec2.describe_vpcs()["Vpcs"] if v["CidrBlock"] == machines.network.cidr]
    chosen = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
    (default,) = account.ec2.describe_security_groups(Filters=chosen)["SecurityGroups"]
    assert (default["IpPermissions"], default["IpPermissionsEgress"]) == ([], [])


def test_load_balancer_leads_to_ready_api_servers(stack: AwsStack, account: Account, page: Page) -> None:
    """Its scheme, its health checks, its targets and its group."""
    (balancer,) = account.elb.describe_load_balancers()["LoadBalancers"]
    # moto does not report the scheme of a load balancer with public addresses.
    assert (balancer["Type"], balancer.get("Scheme")) in (("network", None), ("network", "internet-facing"))
    assert balancer["DNSName"] == stack.output("loadBalancer")
    assert [account.groups()[group] for group in balancer["SecurityGroups"]] == ["balancer"]
    (targets,) = account.elb.describe_target_groups()["TargetGroups"]
    health = targets["HealthCheckProtocol"], targets["HealthCheckPath"], targets["HealthCheckPort"]
    assert health == ("HTTPS", "/readyz", "traffic-port")
    answer = account.elb.describe_target_health(TargetGroupArn=targets["TargetGroupArn"])
    found = {t["Target"]["Id"] for t in answer["TargetHealthDescriptions"]}
    assert found == {i["InstanceId"] for name, i in account.instances().items() if name.startswith("cp-")}
    (listener,) = account.elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert (listener["Port"], listener["Protocol"]) == (page.api.port, "TCP")


def test_members_have_rights_on_their_bucket_and_other_machines_have_none(stack: AwsStack, account: Account) -> None:
    """The role of members lists, reads, writes and removes snapshots. The role of other instances has no policies."""
    roles = {role["RoleName"].rpartition("-")[0]: role["RoleName"] for role in account.iam.list_roles()["Roles"]}
    assert set(roles) == {"cloud-machine", "cloud-snapshots"}
    assert account.rights(roles["cloud-machine"]) == []
    arn = f"arn:aws:s3:::{stack.output('backupBucket')}"
    assert [
        (right["Effect"], right["Action"], right["Resource"]) for right in account.rights(roles["cloud-snapshots"])
    ] == [
        ("Allow", ["s3:ListBucket"], [arn]),
        ("Allow", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [f"{arn}/etcd/*"]),
    ]
    profiles = {p["Arn"]: p["Roles"][0]["RoleName"] for p in account.iam.list_instance_profiles()["InstanceProfiles"]}
    found = {name: profiles[machine["IamInstanceProfile"]["Arn"]] for name, machine in account.instances().items()}
    members = {name for name, role in found.items() if role == roles["cloud-snapshots"]}
    assert members == {"cp-1", "cp-2", "cp-3"}
    assert {role for name, role in found.items() if name not in members} == {roles["cloud-machine"]}


def test_bucket_is_private_versioned_and_encrypted(stack: AwsStack, account: Account) -> None:
    """Its settings, one by one, as AWS' own client reads them."""
    s3, name = account.s3, {"Bucket": stack.output("backupBucket")}
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [name["Bucket"]]
    access = s3.get_public_access_block(**name)["PublicAccessBlockConfiguration"]
    assert set(access.values()) == {True} and len(access) == 4
    (owner,) = s3.get_bucket_ownership_controls(**name)["OwnershipControls"]["Rules"]
    assert owner == {"ObjectOwnership": "BucketOwnerEnforced"}
    assert s3.get_bucket_versioning(**name)["Status"] == "Enabled"
    (encryption,) = s3.get_bucket_encryption(**name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (rule,) = s3.get_bucket_lifecycle_configuration(**name)["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (rule["Status"], rule["Expiration"]) == ("Enabled", {"ExpiredObjectDeleteMarker": True})
    own = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(**name)["TagSet"]}
    assert (own["hardway:cluster"], own["hardway:stack"], own["team"]) == ("cloud", stack.name, "one")


def test_bucket_refuses_plain_http(stack: AwsStack, account: Account) -> None:
    """The account is simulated over plain http, so even its owner gets no object into the bucket."""
    name = stack.output("backupBucket")
    (refusal,) = json.loads(account.s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (refusal["Effect"], refusal["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    with pytest.raises(ClientError, match="403"):
        account.s3.put_object(Bucket=name, Key="etcd/a", Body=b"a")


def test_everything_is_marked(account: Account) -> None:
    """Resources have the tags of cluster and page. Instances of nodes also have the tag for programs of Kubernetes."""
    for name, instance in account.instances().items():
        own = tags(instance)
        assert (own["hardway:cluster"], own["team"]) == ("cloud", "one")
        assert ("kubernetes.io/cluster/cloud" in own) == (name != "bastion")
    for volume in account.ec2.describe_volumes()["Volumes"]:
        assert tags(volume)["hardway:cluster"] == "cloud"


def test_second_up_changes_nothing(stack: AwsStack) -> None:
    """A second `up` changes nothing, without and with a refresh of the state."""
    assert set(stack.ok("up")) == {"unchanged"}
    assert set(stack.ok("up", "--refresh")) == {"unchanged"}


def test_whole_program_can_be_previewed(stack: AwsStack) -> None:
    """The preview includes releases, certificates and objects, because addresses and names are known before `up`."""
    before = stack.account.inventory()
    counts = stack.ok("preview", program=WHOLE)
    assert counts["create"] > 100
    assert set(counts) == {"create", "unchanged"}
    assert stack.account.inventory() == before
