"""Messages if the account does not fit the page; the next `up` continues."""

import re

import pytest

from tests.e2e.aws.account import Account
from tests.e2e.aws.stack import WHOLE, AwsStack


def message(stack: AwsStack, **extra: str) -> str:
    """The error of a preview of the whole program."""
    run = stack.run("preview", program=WHOLE, extra=extra)
    assert run.code != 0
    assert "Traceback" not in run.output, run.tail(60)
    lines = [line.strip() for line in run.output.splitlines()]
    return "\n".join(line for line in lines if line.startswith(("error:", "hardway:", "AWS ")))


def test_no_credentials(stack: AwsStack) -> None:
    """The error is one sentence without a stack trace."""
    text = message(stack, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME="/nonexistent")
    assert "there are no credentials; set AWS_PROFILE" in text, text


def test_no_region(stack: AwsStack) -> None:
    """The page has to set the region."""
    machines = stack.page["machines"]
    stack.page["machines"] = {key: value for key, value in machines.items() if key != "region"}
    try:
        assert "hardway:machines.region: is missing; allowed: an AWS region" in message(stack)
    finally:
        stack.page["machines"] = machines


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("network", {"zones": ["a", "b", "f"]}, "hardway:machines.network.zones[2]: 'f' is no zone of eu-central-1"),
        ("image", "/not/there", "does not tell the AMI in the SSM parameter /not/there"),
    ],
)
def test_account_lacks_something(stack: AwsStack, key: str, value: object, wanted: str) -> None:
    """A zone or an image that the account does not have."""
    machines = stack.page["machines"]
    stack.page["machines"] = {**machines, key: value}
    try:
        assert wanted in message(stack)
    finally:
        stack.page["machines"] = machines


def test_what_aws_refuses_is_named_and_the_next_up_goes_on(stack: AwsStack, account: Account) -> None:
    """A quota is one error, at its resource. All other resources are unchanged, or as the page says."""
    before = account.instances()
    account.limit_instances(len(before))
    stack.page["nodes"].append({"name": "worker-4", "roles": ["worker"]})
    run = stack.run("up")
    assert run.code != 0
    assert "Traceback" not in run.output
    told = run.output.partition("Diagnostics:")[2].partition("Resources:")[0]
    blamed = re.findall(r"^  (\S+ \(\S+\)):$", told, re.MULTILINE)
    assert sorted(blamed) == ["aws:ec2:Instance (worker-4-machine)", f"pulumi:pulumi:Stack (hardway-{stack.name})"]
    # The bridge reports the error twice: as a log line of the provider, and as the result of the resource.
    errors = {line.partition("error: ")[2] for line in told.splitlines() if "error: " in line}
    (error,) = {line for line in errors if not line.startswith("[ERROR]")} - {"update failed"}
    assert "VcpuLimitExceeded: You have requested more vCPU capacity" in error
    assert set(account.instances()) == set(before)
    account.limit_instances(100)
    assert set(stack.ok("up")) == {"created", "unchanged"}
    assert set(account.instances()) == {*before, "worker-4"}
