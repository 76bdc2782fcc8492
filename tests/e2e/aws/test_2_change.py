"""Changes in place, replacements of machines, changes that do not touch machines, and changes by others."""

import pytest

from tests.e2e.aws.account import Account, tags
from tests.e2e.aws.stack import AwsStack

INSTANCE = "aws:ec2/instance:Instance"


def ids(account: Account) -> dict[str, str]:
    return {name: instance["InstanceId"] for name, instance in account.instances().items()}


@pytest.mark.proves_changes("machines.tags")
def test_tags_change_in_place(stack: AwsStack, account: Account) -> None:
    """A changed tag replaces no instance."""
    before = ids(account)
    stack.page["machines"]["tags"] = {"team": "two"}
    assert set(stack.ok("up")) == {"updated", "unchanged"}
    assert ids(account) == before
    assert {tags(instance)["team"] for instance in account.instances().values()} == {"two"}


@pytest.mark.proves_changes(
    *("machines.sshClients", "machines.nodePortClients", "machines.endpoint.clients"),
    *("machines.network.nat", "machines.etcdData"),
)
def test_free_values_change_no_machine(stack: AwsStack, account: Account) -> None:
    """Who may connect, the way to the internet, and the size of data volumes: nothing is replaced."""
    before, machines, others = ids(account), stack.page["machines"], "198.51.100.0/24"
    volume = data_of(account, "cp-1")
    stack.page["machines"] = {
        **machines,
        "sshClients": [others],
        "nodePortClients": [others],
        "endpoint": {**machines["endpoint"], "clients": [*machines["endpoint"]["clients"], others]},
        "network": {**machines["network"], "nat": "perZone"},
        "etcdData": {**machines["etcdData"], "size": 30},
    }
    done = stack.ok("up")
    assert "replaced" not in done and "deleted" not in done, done
    assert ids(account) == before and data_of(account, "cp-1") == volume
    (size,) = [one["Size"] for one in account.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]]
    assert size == 30
    assert len(account.ec2.describe_nat_gateways()["NatGateways"]) == 3
    opened = "\n".join(account.rules())
    assert opened.count(others) >= 3, opened


@pytest.mark.proves_changes("machines.controlPlane", "machines.worker", "machines.protected")
def test_instances_get_another_size_and_protection_in_place(stack: AwsStack, account: Account) -> None:
    """A running instance stops and starts with its new type, its disk grows, and it keeps its data and its address."""
    before, machines, volume = ids(account), stack.page["machines"], data_of(account, "cp-1")
    stack.page["machines"] = {
        **machines,
        "protected": True,
        "controlPlane": {"type": "m6i.xlarge", "rootSize": 50},
        "worker": {"type": "m6i.2xlarge", "rootSize": 70},
    }
    done = stack.ok("up")
    assert "replaced" not in done and "deleted" not in done, done
    assert ids(account) == before and data_of(account, "cp-1") == volume
    found = account.instances()
    assert {name: found[name]["InstanceType"] for name in ("cp-1", "worker-1", "bastion")} == {
        "cp-1": "m6i.xlarge",
        "worker-1": "m6i.2xlarge",
        "bastion": "t3.micro",
    }
    assert (root_size(account, "cp-1"), root_size(account, "worker-1")) == (50, 70)
    assert (is_protected(account, "cp-1"), is_protected(account, "worker-1")) == (True, False)
    # Otherwise the stack could not be removed.
    stack.page["machines"] = {**stack.page["machines"], "protected": False}
    done = stack.ok("up")
    assert "replaced" not in done and ids(account) == before
    assert not is_protected(account, "cp-1")


def test_new_image_leaves_machines_that_run_alone(stack: AwsStack, account: Account) -> None:
    """A newer AMI in the parameter is for new machines."""
    before = ids(account)
    account.choose_image(1)
    assert set(stack.ok("up")) == {"unchanged"}
    assert ids(account) == before


def test_worker_is_made_anew_on_purpose(stack: AwsStack, account: Account) -> None:
    """The new machine has the same address and name. Nothing else is replaced."""
    before, address = ids(account), account.instances()["worker-2"]["PrivateIpAddress"]
    stack.ok("up", "--replace", stack.urn(INSTANCE, "worker-2-machine"))
    after = ids(account)
    assert {name for name in before if after[name] != before[name]} == {"worker-2"}
    assert account.instances()["worker-2"]["PrivateIpAddress"] == address


def test_member_of_etcd_is_made_anew_and_keeps_its_data(stack: AwsStack, account: Account) -> None:
    """The new machine gets the data volume and is a target of the load balancer."""
    before, volume = ids(account), data_of(account, "cp-2")
    stack.ok("up", "--replace", stack.urn(INSTANCE, "cp-2-machine"))
    after = ids(account)
    assert {name for name in before if after[name] != before[name]} == {"cp-2"}
    assert data_of(account, "cp-2") == volume
    (group,) = account.elb.describe_target_groups()["TargetGroups"]
    answer = account.elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
    targets = {target["Target"]["Id"] for target in answer["TargetHealthDescriptions"]}
    assert targets == {after[name] for name in ("cp-1", "cp-2", "cp-3")}


@pytest.mark.proves_changes("machines.image")
def test_worker_that_leaves_the_page_and_comes_back_gets_the_new_image(stack: AwsStack, account: Account) -> None:
    """So a worker gets a newer AMI. The other machines stay as they are."""
    before, image = ids(account), account.choose_image(2)
    nodes = stack.page["nodes"]
    stack.page["nodes"] = [node for node in nodes if node["name"] != "worker-3"]
    assert set(stack.ok("up")) == {"deleted", "unchanged"}
    stack.page["nodes"] = nodes
    assert set(stack.ok("up")) == {"created", "unchanged"}
    after = ids(account)
    assert {name for name in before if after[name] != before[name]} == {"worker-3"}
    assert account.instances()["worker-3"]["ImageId"] == image


def test_drift_is_seen_and_undone(stack: AwsStack, account: Account) -> None:
    """Somebody removed rules of a group, changed a tag, and terminated an instance: `up --refresh` corrects this."""
    wanted = account.rules()
    (machine,) = [group for group, name in account.groups().items() if name == "machine"]
    ssh = [
        rule["SecurityGroupRuleId"]
        for rule in account.ec2.describe_security_group_rules()["SecurityGroupRules"]
        if rule["GroupId"] == machine and rule.get("FromPort") == 22
    ]
    assert len(ssh) == 2, "the bastion, and the clients of the page"
    account.ec2.revoke_security_group_ingress(GroupId=machine, SecurityGroupRuleIds=ssh)
    instances = ids(account)
    account.ec2.create_tags(Resources=[instances["cp-1"]], Tags=[{"Key": "team", "Value": "other"}])
    account.ec2.terminate_instances(InstanceIds=[instances["worker-1"]])
    assert account.rules() != wanted
    done = stack.ok("up", "--refresh")
    assert done["created"] >= 3 and done["updated"] >= 1, done
    assert account.rules() == wanted
    assert tags(account.instances()["cp-1"])["team"] == "two"
    after = ids(account)
    assert {name for name in instances if after[name] != instances[name]} == {"worker-1"}


def data_of(account: Account, node: str) -> str:
    """The data volume of a member."""
    devices = account.instances()[node]["BlockDeviceMappings"]
    (volume,) = [device["Ebs"]["VolumeId"] for device in devices if device["DeviceName"] == "/dev/sdf"]
    return str(volume)


def root_size(account: Account, node: str) -> int:
    """The size of the root volume in GiB."""
    instance = account.instances()[node]
    devices = instance["BlockDeviceMappings"]
    (volume,) = [one["Ebs"]["VolumeId"] for one in devices if one["DeviceName"] == instance["RootDeviceName"]]
    (found,) = account.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return int(found["Size"])


def is_protected(account: Account, node: str) -> bool:
    """Whether AWS refuses to terminate the instance."""
    instance = account.instances()[node]["InstanceId"]
    answer = account.ec2.describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")
    return bool(answer["DisableApiTermination"]["Value"])
