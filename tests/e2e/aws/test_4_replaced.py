"""Values that replace machines, in a small stack of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.aws.account import Account
from tests.e2e.aws.conftest import new_account
from tests.e2e.aws.operate import operated
from tests.e2e.aws.stack import MACHINES, AwsStack, example_page
from tests.e2e.aws.test_2_change import data_of
from tests.e2e.support.progress import Say
from tools.operate import lost_volumes
from tools.operate.envsh import ORIGIN

NAME = "e2e-aws-replaced"


@pytest.fixture(scope="module")
def small(terraform: Path) -> Iterator[Account]:
    """A separate account."""
    assert terraform
    with new_account(NAME) as found:
        yield found


@pytest.mark.long
@pytest.mark.proves_changes("machines.network.zones", "machines.kmsKey", "machines.etcd")
def test_machines_move_to_another_zone_and_get_another_key(small: Account, terraform: Path, say: Say) -> None:
    """A key replaces every machine and data volume. Zones place machines by the number in their names."""
    page = example_page()
    network = {**page["machines"]["network"], "zones": ["a"], "nat": "none"}
    page["machines"] |= {"network": network, "protected": False}
    page["nodes"] = [
        {"name": "etcd-1", "roles": ["etcd"]},
        {"name": "cp-1", "roles": ["control-plane"]},
        {"name": "worker-2", "roles": ["worker"]},
    ]
    stack = AwsStack(NAME, small, page, terraform, say)
    stack.init()
    empty = small.inventory()
    stack.ok("up")
    before = small.instances()
    assert {zone_of(before, name) for name in ("etcd-1", "cp-1", "worker-2")} == {"a"}
    key = small.kms.create_key()["KeyMetadata"]["Arn"]
    page["machines"] |= {"network": {**network, "zones": ["a", "b"]}, "kmsKey": key, "etcd": {"type": "m6i.xlarge"}}
    done = stack.ok("up")
    assert done["replaced"] >= 4, done
    after = small.instances()
    assert {name: zone_of(after, name) for name in ("etcd-1", "cp-1", "worker-2")} == {
        "etcd-1": "a",
        "cp-1": "a",
        "worker-2": "b",
    }
    names = before.keys() - {"bastion"}
    assert all(after[name]["InstanceId"] != before[name]["InstanceId"] for name in names)
    assert (after["etcd-1"]["InstanceType"], after["cp-1"]["InstanceType"]) == ("m6i.xlarge", "m6i.large")
    size = page["machines"]["etcdData"]["size"]
    data = [one for one in small.ec2.describe_volumes()["Volumes"] if one["Size"] == size]
    assert [one.get("KmsKeyId") for one in data] == [key]
    stack.ok("destroy")
    assert small.inventory() == empty


@pytest.mark.long
def test_machine_that_is_gone_with_or_without_its_volume(
    small: Account, terraform: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make replace` and `make restore MACHINES=...` first ask AWS. A volume that exists goes to the new instance."""
    page = example_page()
    page["machines"] |= {"network": {**page["machines"]["network"], "zones": ["a"], "nat": "none"}, "protected": False}
    page["nodes"] = [
        *({"name": f"cp-{number}", "roles": ["etcd", "control-plane"]} for number in (1, 2, 3)),
        {"name": "worker-2", "roles": ["worker"]},
    ]
    stack = AwsStack(NAME, small, page, terraform, say)
    stack.init()
    empty = small.inventory()
    stack.ok("up")
    monkeypatch.delenv(ORIGIN, raising=False)
    for name, value in stack.of_nobody().items():
        monkeypatch.setenv(name, value)
    before = small.instances()
    kept, lost = data_of(small, "cp-1"), data_of(small, "cp-2")
    gone = before.keys() - {"cp-3"}
    small.ec2.terminate_instances(InstanceIds=[before[name]["InstanceId"] for name in gone])
    small.ec2.delete_volume(VolumeId=lost)
    urns = [stack.urn("aws:ec2/instance:Instance", f"{name}-machine") for name in gone]
    assert lost_volumes.forget(operated(NAME, stack.folder, MACHINES), urns)
    stack.ok("up", *(argument for urn in urns for argument in ("--replace", urn)))
    after = small.instances()
    assert {name for name in before if after[name]["InstanceId"] != before[name]["InstanceId"]} == gone
    assert data_of(small, "cp-1") == kept and data_of(small, "cp-2") != lost
    assert set(stack.ok("up", "--refresh")) == {"unchanged"}
    stack.ok("destroy")
    assert small.inventory() == empty


def zone_of(instances: dict[str, dict[str, dict[str, str]]], name: str) -> str:
    """The letter of the zone."""
    return instances[name]["Placement"]["AvailabilityZone"][-1]
