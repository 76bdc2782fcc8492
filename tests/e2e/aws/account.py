"""The simulated account as AWS' own client sees it."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

REGION = "eu-central-1"
IMAGE = "/hardway-test/image"
"""SSM parameter with the AMI for new machines."""
_SERVER = "tests.e2e.aws.simulator"


class Account:
    """A server of moto, and clients for it. With `environment`, programs use this server."""

    def __init__(self, port: int) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            # By default, a request that moto answers with HTTP 500 is repeated 25 times, which looks like a standstill.
            "AWS_MAX_ATTEMPTS": "2",
        }
        options = {
            "region_name": REGION,
            "endpoint_url": self.environment["AWS_ENDPOINT_URL"],
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self.ec2: Any = boto3.client("ec2", **options)
        self.elb: Any = boto3.client("elbv2", **options)
        self.iam: Any = boto3.client("iam", **options)
        self.ssm: Any = boto3.client("ssm", **options)
        self.kms: Any = boto3.client("kms", **options)
        self.s3: Any = boto3.client("s3", **options)

    def limit_instances(self, quota: int) -> None:
        """Set the quota of running instances."""
        self.ssm.put_parameter(Name="/hardway-test/quota", Value=str(quota), Type="String", Overwrite=True)

    def user_data(self, instance: dict[str, Any]) -> str:
        """The user data of an instance."""
        answer = self.ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
        return base64.b64decode(answer["UserData"]["Value"]).decode()

    def choose_image(self, number: int) -> str:
        """Set the AMI for new machines."""
        images = self.ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"]
        chosen: str = sorted(image["ImageId"] for image in images)[number]
        self.ssm.put_parameter(Name=IMAGE, Value=chosen, Type="String", Overwrite=True)
        return chosen

    def arm64_image(self) -> str:
        """An AMI for arm64 machines."""
        images = self.ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["arm64"]}])["Images"]
        return str(min(image["ImageId"] for image in images))

    def instances(self) -> dict[str, dict[str, Any]]:
        """Existing instances, by the name of the node."""
        answer = self.ec2.describe_instances(
            Filters=[{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        )
        found = [instance for reservation in answer["Reservations"] for instance in reservation["Instances"]]
        return {tags(instance)["Name"].partition("-")[2]: instance for instance in found}

    def groups(self) -> dict[str, str]:
        """Names of the security groups in the program, by id."""
        found = self.ec2.describe_security_groups()["SecurityGroups"]
        return {group["GroupId"]: group["GroupName"].rpartition("-")[0] for group in found if tags(group)}

    def rules(self) -> set[str]:
        """Every rule of every group as a line: other end, group, protocol and ports."""
        names, found = self.groups(), set()
        for rule in self.ec2.describe_security_group_rules()["SecurityGroupRules"]:
            if rule["GroupId"] not in names:
                continue
            other = rule.get("CidrIpv4") or names[rule["ReferencedGroupInfo"]["GroupId"]]
            own, out = names[rule["GroupId"]], rule["IsEgress"]
            ends = f"{own} > {other}" if out else f"{other} > {own}"
            first, last = rule.get("FromPort", -1), rule.get("ToPort", -1)
            ports = (
                ""
                if rule["IpProtocol"] == "-1"
                else f" {rule['IpProtocol']} {first}" + (f"-{last}" if last != first else "")
            )
            found.add(f"{ends}{ports}{' (out)' if out else ''}")
        return found

    def rights(self, role: str) -> list[dict[str, Any]]:
        """The statements of all policies inside of a role. Raises AssertionError if it has policies of others."""
        assert self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        names = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = [self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        return [statement for document in found for statement in document["Statement"]]

    def inventory(self) -> dict[str, list[str]]:
        """Ids of everything that a stack may have made, by kind."""
        ec2, kept = self.ec2, ("pending", "available")
        gateways = ec2.describe_nat_gateways()["NatGateways"]
        return {
            "instances": sorted(instance["InstanceId"] for instance in self.instances().values()),
            "volumes": _ids(ec2.describe_volumes()["Volumes"], "VolumeId"),
            "networks": _ids(ec2.describe_vpcs()["Vpcs"], "VpcId"),
            "subnets": _ids(ec2.describe_subnets()["Subnets"], "SubnetId"),
            "groups": _ids(ec2.describe_security_groups()["SecurityGroups"], "GroupId"),
            "routes": _ids(ec2.describe_route_tables()["RouteTables"], "RouteTableId"),
            "gateways": _ids(ec2.describe_internet_gateways()["InternetGateways"], "InternetGatewayId"),
            "nat": _ids([gateway for gateway in gateways if gateway["State"] in kept], "NatGatewayId"),
            "addresses": _ids(ec2.describe_addresses()["Addresses"], "AllocationId"),
            "interfaces": _ids(ec2.describe_network_interfaces()["NetworkInterfaces"], "NetworkInterfaceId"),
            "keys": _ids(ec2.describe_key_pairs()["KeyPairs"], "KeyPairId"),
            "balancers": _ids(self.elb.describe_load_balancers()["LoadBalancers"], "LoadBalancerArn"),
            "targets": _ids(self.elb.describe_target_groups()["TargetGroups"], "TargetGroupArn"),
            "roles": _ids(self.iam.list_roles()["Roles"], "RoleName"),
            "buckets": _ids(self.s3.list_buckets()["Buckets"], "Name"),
            "profiles": _ids(self.iam.list_instance_profiles()["InstanceProfiles"], "InstanceProfileName"),
        }


def tags(thing: dict[str, Any]) -> dict[str, str]:
    """The tags of something."""
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}


@contextmanager
def simulated(log: Path, root: Path) -> Iterator[Account]:
    """Run the simulator until the end of the block. Raises AssertionError if it does not start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        command = [sys.executable, "-m", _SERVER, "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            end = time.monotonic() + 60
            while not _answers(port):
                assert server.poll() is None and time.monotonic() < end, f"moto does not answer:\n{log.read_text()}"
                time.sleep(0.2)
            yield Account(port)
        finally:
            server.terminate()
            server.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _ids(things: list[dict[str, Any]], key: str) -> list[str]:
    return sorted(thing[key] for thing in things)
