"""The simulated account of suite aws answers as AWS and its SDKs need."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.aws.account import REGION, Account, simulated
from tools.common.paths import this_clone

RULE = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with simulated(tmp_path / "log", this_clone().root) as found:
        yield found


def sends(account: Account, invocation: str) -> Any:
    """A client whose requests are attempts of one invocation."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("ec2", region_name=REGION, endpoint_url=account.environment["AWS_ENDPOINT_URL"], **keys)

    def name(request: Any, **_: Any) -> None:
        request.headers["amz-sdk-invocation-id"] = invocation

    client.meta.events.register("before-send.ec2", name)
    return client


def test_a_second_attempt_gets_the_answer_of_the_first(account: Account, tmp_path: Path) -> None:
    group = account.ec2.create_security_group(GroupName="one", Description="one")["GroupId"]
    made = [
        sends(account, "a").authorize_security_group_ingress(GroupId=group, IpPermissions=[RULE])["SecurityGroupRules"]
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert len(account.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]) == 1
    assert "repeated:" in (tmp_path / "log").read_text()
    with pytest.raises(ClientError, match="Duplicate"):
        sends(account, "b").authorize_security_group_ingress(GroupId=group, IpPermissions=[RULE])
