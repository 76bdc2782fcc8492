"""What a person reads when the account is not as the page needs it. Nothing is made, and the next `up` goes on."""

import pytest

from tests.e2e.aws.stack import WHOLE, AwsStack


def message(stack: AwsStack, **extra: str) -> str:
    """The error of a preview of the whole program."""
    run = stack.run("preview", program=WHOLE, extra=extra)
    assert run.code != 0
    assert "Traceback" not in run.output, run.tail(60)
    lines = [line.strip() for line in run.output.splitlines()]
    return "\n".join(line for line in lines if line.startswith(("error:", "hardway:", "AWS ")))


def test_no_credentials(stack: AwsStack) -> None:
    """A sentence and no stack trace."""
    text = message(stack, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME="/nonexistent")
    assert "there are no credentials; set AWS_PROFILE" in text, text


def test_no_region(stack: AwsStack) -> None:
    """The page has to say it."""
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
    """A zone, an image."""
    machines = stack.page["machines"]
    stack.page["machines"] = {**machines, key: value}
    try:
        assert wanted in message(stack)
    finally:
        stack.page["machines"] = machines
