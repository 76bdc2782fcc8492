"""Every machine is gone, with the data volumes: page, state and snapshots make the cluster again."""

import time

import pytest

from tests.e2e.aws.account import Account
from tests.e2e.aws.cluster import StandInStack
from tests.e2e.aws.operate import OPERATED
from tests.e2e.aws.stand_ins import StandIns
from tests.e2e.aws.test_2_change import data_of
from tests.e2e.restore.conftest import EVERY, is_whole, make_work
from tests.e2e.restore.test_3_restores import PAUSE, assert_lost_at_most
from tests.e2e.restore.timeline import timed
from tests.e2e.restore.vault import vault
from tests.e2e.restore.writer import writing
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.wait import eventually


@pytest.mark.long
def test_instances_and_volumes_gone(cluster: Cluster, stand_ins: StandIns, say: Say) -> None:
    """All instances are terminated and all data volumes deleted, as by mistake. The snapshots are in S3 elsewhere."""
    stack, account = cluster.stack, stand_ins.account
    assert isinstance(stack, StandInStack)
    with vault(cluster) as place:
        stack.aws.page["backup"] = {"to": place.s3, "every": f"{EVERY}s"}
        cluster.up()
        make_work(cluster)
        with writing(cluster) as writer:
            taken = cluster.machines["cp-1"].run("sh /opt/kubernetes/current/backup.sh now").ok()
            assert ", read back" in taken
            time.sleep(PAUSE)
            instances, volumes = {i["InstanceId"] for i in account.instances().values()}, remove_everything(account)
            lost_at = time.monotonic()
            eventually(stand_ins.assert_none, 180, "the machines are gone")
        with timed(cluster, stack.folder / OPERATED / stack.name / "up.jsonl") as found:
            run = stack.restore("latest", "all")
        assert run.code == 0, run.tail(60)
        say(f"  make restore took {run.seconds:.1f} s: {found.line()}")
        cluster.__dict__.pop("machines", None)
        assert not instances & {i["InstanceId"] for i in account.instances().values()}
        for name in ("cp-1", "cp-2", "cp-3"):
            volume = data_of(account, name)
            assert volume not in volumes
            # The user data is that of the first instance. The machine was told its volume when it got its release.
            assert f"_{volume.replace('-', '')} /var/lib/etcd " in cluster.machines[name].read("/etc/fstab")
        assert_lost_at_most(writer, lost_at, say)
        is_whole(cluster)


def remove_everything(account: Account) -> set[str]:
    """Terminate all instances, and delete the data volumes. Returns the ids of these volumes."""
    account.ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in account.instances().values()])
    left = [one["VolumeId"] for one in account.ec2.describe_volumes()["Volumes"]]
    for volume in left:
        account.ec2.delete_volume(VolumeId=volume)
    assert len(left) == 3 and account.instances() == {}
    return set(left)
