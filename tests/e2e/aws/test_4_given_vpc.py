"""An existing VPC: machines are made in the VPC, and the VPC stays as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.aws.account import REGION, Account
from tests.e2e.aws.conftest import new_account
from tests.e2e.aws.stack import AwsStack, example_page
from tests.e2e.support.progress import Say

NAME = "e2e-aws-given"
BUCKET = "example-backups"
NETWORK = ("networks", "subnets", "routes", "gateways", "nat", "buckets")


@pytest.fixture(scope="module")
def somewhere(terraform: Path) -> Iterator[Account]:
    """A separate account."""
    assert terraform
    with new_account(NAME) as found:
        yield found


@pytest.fixture(scope="module")
def given(somewhere: Account) -> dict[str, Any]:
    """A VPC with a private and a public subnet, as the section of the page."""
    ec2 = somewhere.ec2
    vpc = ec2.create_vpc(CidrBlock="10.82.0.0/16")["Vpc"]["VpcId"]
    inside, front = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone="eu-central-1a")["Subnet"]["SubnetId"]
        for cidr in ("10.82.0.0/20", "10.82.16.0/24")
    )
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return {
        "id": vpc,
        "subnets": [{"id": inside, "zone": "a", "cidr": "10.82.0.0/20"}],
        "publicSubnets": [front],
    }


def test_machines_come_into_a_given_vpc_and_leave_it_as_it_was(
    somewhere: Account, given: dict[str, Any], terraform: Path, say: Say
) -> None:
    """Subnets, routes, gateways and the given bucket are the same before `up`, after `up`, and after `destroy`."""
    here = {"LocationConstraint": REGION}
    somewhere.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=here)
    before = somewhere.inventory()
    stack = _stack(somewhere, given, terraform, say)
    stack.ok("up")
    meanwhile = somewhere.inventory()
    assert {kind: meanwhile[kind] for kind in NETWORK} == {kind: before[kind] for kind in NETWORK}
    inside, (front,) = given["subnets"][0]["id"], given["publicSubnets"]
    placed = {name: instance["SubnetId"] for name, instance in somewhere.instances().items()}
    assert placed == {"cp-1": inside, "worker-1": inside, "bastion": front}
    (balancer,) = somewhere.elb.describe_load_balancers()["LoadBalancers"]
    assert [zone["SubnetId"] for zone in balancer["AvailabilityZones"]] == [front]
    assert balancer["VpcId"] == given["id"]
    (role,) = [one["RoleName"] for one in somewhere.iam.list_roles()["Roles"] if "snapshots" in one["RoleName"]]
    arn = f"arn:aws:s3:::{BUCKET}"
    assert [right["Resource"] for right in somewhere.rights(role)] == [[arn], [f"{arn}/clusters/given/*"]]
    stack.ok("destroy")
    assert somewhere.inventory() == before


def test_a_subnet_that_is_elsewhere_than_the_page_says(
    somewhere: Account, given: dict[str, Any], terraform: Path, say: Say
) -> None:
    """The error is one sentence, and nothing is made."""
    before = somewhere.inventory()
    subnet = {**given["subnets"][0], "cidr": "10.82.64.0/20"}
    run = _stack(somewhere, {**given, "subnets": [subnet]}, terraform, say).run("up")
    assert run.code != 0 and "Traceback" not in run.output, run.tail(60)
    assert subnet["id"] in run.output and "10.82.0.0/20" in run.output and "10.82.64.0/20" in run.output, run.tail(60)
    assert somewhere.inventory() == before


def _stack(account: Account, vpc: dict[str, Any], terraform: Path, say: Say) -> AwsStack:
    """Two machines in a VPC, not up."""
    page = example_page()
    page["machines"] |= {"network": {"vpc": vpc}, "protected": False}
    page["backup"] = {"to": {"bucket": BUCKET, "role": True, "prefix": "clusters/given"}}
    page["nodes"] = [{"name": "cp-1", "roles": ["etcd", "control-plane"]}, {"name": "worker-1", "roles": ["worker"]}]
    stack = AwsStack(NAME, account, page, terraform, say)
    stack.init()
    return stack
