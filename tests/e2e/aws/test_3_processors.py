"""Workers with arm64 processors beside an amd64 control plane: what AWS is asked, and what is refused."""

import copy
from collections.abc import Iterator

import pytest

from tests.e2e.aws.account import Account
from tests.e2e.aws.stack import AwsStack

GRAVITON = {"type": "m7g.large", "architecture": "arm64"}


@pytest.fixture
def arm64(stack: AwsStack, account: Account) -> Iterator[str]:
    """The page with arm64 workers; afterwards the page is as it was, and so are the machines. Gives the AMI."""
    before = copy.deepcopy(stack.page)
    image = account.arm64_image()
    stack.page["machines"] |= {"worker": GRAVITON, "imageArm64": image}
    # Programs that are built here are for one architecture. Nothing is fetched: these are machines only.
    stack.page["artifacts"] |= {"source": "upstream"}
    yield image
    stack.page.clear()
    stack.page.update(before)
    if any(found["ImageId"] == image for found in account.instances().values()):
        stack.page["nodes"] = control_plane(stack)
        stack.ok("up")
        stack.page["nodes"] = before["nodes"]
    stack.ok("up")


def control_plane(stack: AwsStack) -> list[dict[str, object]]:
    """The nodes of the control plane, which run pods while there is no worker."""
    nodes = [node for node in stack.page["nodes"] if "control-plane" in node["roles"]]
    return [{**node, "roles": [*node["roles"], "worker"]} for node in nodes]


def refused(stack: AwsStack) -> str:
    """The error of a preview, on one line."""
    run = stack.run("preview")
    assert run.code != 0 and "Traceback" not in run.output, run.tail(60)
    return " ".join(run.output.split())


@pytest.mark.usefixtures("arm64")
def test_amd64_workers_that_run_are_not_touched(stack: AwsStack, account: Account) -> None:
    """AWS would stop a machine, and then refuse a type with another processor."""
    before = {name: found["InstanceId"] for name, found in account.instances().items()}
    text = refused(stack)
    assert "the machine of worker-1 exists and is amd64, and machines.worker.architecture is arm64" in text, text
    assert "the machine of cp-1" not in text
    assert {name: found["InstanceId"] for name, found in account.instances().items()} == before


@pytest.mark.proves_changes("machines.imageArm64")
def test_arm64_workers_take_the_place_of_amd64_ones(stack: AwsStack, account: Account, arm64: str) -> None:
    """They leave the page and come back: other type, other AMI. The control plane stays as it is."""
    nodes, kept = stack.page["nodes"], account.instances()["cp-1"]["InstanceId"]
    stack.page["nodes"] = control_plane(stack)
    assert "replaced" not in stack.ok("up")
    stack.page["nodes"] = nodes
    assert "replaced" not in stack.ok("up")
    found = account.instances()
    assert found["cp-1"]["InstanceId"] == kept
    workers = [found[f"worker-{number}"] for number in (1, 2, 3)]
    assert {(worker["ImageId"], worker["InstanceType"]) for worker in workers} == {(arm64, "m7g.large")}
    # A second run compares the machines that are there, and changes nothing.
    assert set(stack.ok("up")) == {"unchanged"}


def test_an_ami_for_amd64_is_refused(stack: AwsStack, account: Account, arm64: str) -> None:
    assert arm64
    wrong = account.instances()["cp-1"]["ImageId"]
    stack.page["machines"] |= {"imageArm64": wrong}
    text = refused(stack)
    assert f"hardway:machines.imageArm64: {wrong} is an AMI for amd64; allowed: an AMI for arm64" in text, text
