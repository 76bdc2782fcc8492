"""What changes in place, what makes a machine anew, what does not touch it, and what somebody else changed."""

from tests.e2e.aws.account import Account, tags
from tests.e2e.aws.stack import AwsStack

INSTANCE = "aws:ec2/instance:Instance"


def ids(account: Account) -> dict[str, str]:
    return {name: instance["InstanceId"] for name, instance in account.instances().items()}


def test_tags_change_in_place(stack: AwsStack, account: Account) -> None:
    """No instance is made anew for a tag."""
    before = ids(account)
    stack.page["machines"]["tags"] = {"team": "two"}
    assert set(stack.ok("up")) == {"updated", "unchanged"}
    assert ids(account) == before
    assert {tags(instance)["team"] for instance in account.instances().values()} == {"two"}


def test_new_image_leaves_machines_that_run_alone(stack: AwsStack, account: Account) -> None:
    """A newer AMI in the parameter is for new machines."""
    before = ids(account)
    account.choose_image(1)
    assert set(stack.ok("up")) == {"unchanged"}
    assert ids(account) == before


def test_worker_is_made_anew_on_purpose(stack: AwsStack, account: Account) -> None:
    """With its address and name, and nothing else with it."""
    before, address = ids(account), account.instances()["worker-2"]["PrivateIpAddress"]
    stack.ok("up", "--replace", stack.urn(INSTANCE, "worker-2-machine"))
    after = ids(account)
    assert {name for name in before if after[name] != before[name]} == {"worker-2"}
    assert account.instances()["worker-2"]["PrivateIpAddress"] == address


def test_member_of_etcd_is_made_anew_and_keeps_its_data(stack: AwsStack, account: Account) -> None:
    """Its volume is given to the new machine, which is also the one that the load balancer asks."""
    before, volume = ids(account), data_of(account, "cp-2")
    stack.ok("up", "--replace", stack.urn(INSTANCE, "cp-2-machine"))
    after = ids(account)
    assert {name for name in before if after[name] != before[name]} == {"cp-2"}
    assert data_of(account, "cp-2") == volume
    (group,) = account.elb.describe_target_groups()["TargetGroups"]
    answer = account.elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
    targets = {target["Target"]["Id"] for target in answer["TargetHealthDescriptions"]}
    assert targets == {after[name] for name in ("cp-1", "cp-2", "cp-3")}


def test_worker_that_leaves_the_page_and_comes_back_gets_the_new_image(stack: AwsStack, account: Account) -> None:
    """The way to another AMI; the others stay as they are."""
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
    """A port that somebody opened, a tag that somebody changed, an instance that somebody ended."""
    wanted = account.rules()
    (machine,) = [group for group, name in account.groups().items() if name == "machine"]
    (ssh,) = [
        rule["SecurityGroupRuleId"]
        for rule in account.ec2.describe_security_group_rules()["SecurityGroupRules"]
        if rule["GroupId"] == machine and rule.get("FromPort") == 22
    ]
    account.ec2.revoke_security_group_ingress(GroupId=machine, SecurityGroupRuleIds=[ssh])
    instances = ids(account)
    account.ec2.create_tags(Resources=[instances["cp-1"]], Tags=[{"Key": "team", "Value": "other"}])
    account.ec2.terminate_instances(InstanceIds=[instances["worker-1"]])
    assert account.rules() != wanted
    done = stack.ok("up", "--refresh")
    assert done["created"] >= 2 and done["updated"] >= 1, done
    assert account.rules() == wanted
    assert tags(account.instances()["cp-1"])["team"] == "two"
    after = ids(account)
    assert {name for name in instances if after[name] != instances[name]} == {"worker-1"}


def data_of(account: Account, node: str) -> str:
    """The data volume of a member."""
    devices = account.instances()[node]["BlockDeviceMappings"]
    (volume,) = [device["Ebs"]["VolumeId"] for device in devices if device["DeviceName"] == "/dev/sdf"]
    return str(volume)
