"""Snapshots of etcd and a restore: which files members get, what is secret, and the order of a restore."""

import json
from functools import cache
from typing import Any

import pytest
from archives import unpack
from clusters import cluster, lock_data
from fake_engine import plain
from recording import REMOTE, Recording, leaves, page, recorded, run

BEFORE_UPGRADE = "etcd-snapshot-before-upgrade"
STASH = "pulumi:index:Stash"
BACKUP = {
    "to": {
        "kind": "s3",
        "endpoint": "https://s3.example.com",
        "bucket": "backups",
        "prefix": "dev",
        "accessKeyId": "AKIAEXAMPLE",
        "secretAccessKey": "the-secret-of-the-access-key",
    }
}
MEMBERS = ("cp-1", "cp-2", "cp-3")
SECRET_KEYS = {"PULUMI_CONFIG_SECRET_KEYS": json.dumps(["hardway:backup"])}


@cache
def made(number: int | None = None) -> Recording:
    """A run with snapshots, and with this restore."""
    change: dict[str, Any] = {"backup": BACKUP}
    if number is not None:
        change["restore"] = {"number": number, "snapshot": "latest"}
    found = run(page("stacked", change), lock=lock_data(cluster("stacked").page), extra=SECRET_KEYS)
    assert found.error is None, found.error
    return found


def staged(recording: Recording, node: str) -> dict[str, str]:
    """The files of the release of a node."""
    return {
        path: file.content for path, file in unpack(recording.named(REMOTE, f"{node}-stage").inputs["stdin"]).items()
    }


def test_members_have_settings_credentials_and_a_timer_and_workers_have_nothing() -> None:
    files = staged(made(), "cp-2")
    assert 'BACKUP_REPOSITORY="s3:https://s3.example.com/backups/dev"' in files["cfg/backup.env"]
    assert "AWS_SECRET_ACCESS_KEY=the-secret-of-the-access-key" in files["ssl/backup/environment"]
    assert files["ssl/backup/password"]
    assert "units/etcd-backup.timer" in files
    worker = staged(made(), "worker-1")
    assert not [path for path in worker if path.startswith(("ssl/backup", "cfg/backup", "units/etcd-backup"))]


def test_a_page_without_snapshots_has_none_of_it() -> None:
    assert not [path for path in staged(recorded("stacked"), "cp-1") if path.startswith(("cfg/backup", "cfg/restore"))]
    assert "backup-password" not in {resource.name for resource in recorded("stacked").resources}


def test_password_and_credentials_are_secret_wherever_they_are() -> None:
    password = plain(dict(made().named(STASH, "backup-password").raw))["input"]
    for secret in (password, "the-secret-of-the-access-key"):
        found = [leaf for r in made().resources for leaf in leaves(dict(r.raw)) if secret in str(leaf.value)]
        assert [leaf.path for leaf in found if not leaf.secret] == []
        shown = [leaf for leaf in leaves(made().outputs) if secret in str(leaf.value)]
        assert [leaf.path for leaf in shown if not leaf.secret] == []


def test_a_snapshot_before_an_upgrade_precedes_every_activation() -> None:
    found = made()
    snapshot = found.named(REMOTE, BEFORE_UPGRADE)
    for node in (*MEMBERS, "worker-1", "worker-2"):
        assert found.comes_after(snapshot, found.named(REMOTE, f"{node}-stage"))
        assert found.comes_after(found.named(REMOTE, f"{node}-activate"), snapshot)
    assert BEFORE_UPGRADE not in {resource.name for resource in recorded("stacked").resources}


def test_control_plane_nodes_wait_for_the_snapshot_if_every_member_is_a_worker() -> None:
    """Then no member is activated before the first API server is."""
    nodes = [
        *({"name": f"cp-{i}", "roles": ["control-plane"]} for i in (1, 2, 3)),
        *({"name": f"worker-{i}", "roles": ["etcd", "worker"]} for i in (1, 2, 3)),
    ]
    values = page("stacked", {"backup": BACKUP, "nodes": nodes})
    found = run(values, lock=lock_data(cluster("stacked").page), extra=SECRET_KEYS)
    assert found.error is None, found.error
    assert found.comes_after(found.named(REMOTE, "cp-1-activate"), found.named(REMOTE, BEFORE_UPGRADE))


def test_only_another_minor_version_runs_the_snapshot_before_an_upgrade_again() -> None:
    def command(versions: dict[str, str]) -> str:
        values = page("stacked", {"backup": BACKUP, "versions": versions})
        found = run(values, lock=lock_data(cluster("stacked", {"versions": versions}).page), extra=SECRET_KEYS)
        assert found.error is None, found.error
        return str(found.named(REMOTE, BEFORE_UPGRADE).inputs["create"])

    first = command({"kubernetes": "1.36.4", "etcd": "3.7.2"})
    assert first.endswith("before-upgrade 3.7 1.36'")
    assert command({"kubernetes": "1.36.5", "etcd": "3.7.3"}) == first
    assert made().named(REMOTE, BEFORE_UPGRADE).inputs["create"].endswith("before-upgrade 3.7 1.37'")


def test_the_order_of_a_restore() -> None:
    """All releases are staged; the snapshot is fetched; everything stops; only then is the first member activated."""
    found = made(3)
    fetch = found.named(REMOTE, "etcd-restore-fetch")
    assert fetch.inputs["create"].endswith("fetch 3 latest'")
    for node in (*MEMBERS, "worker-1", "worker-2"):
        assert found.comes_after(fetch, found.named(REMOTE, f"{node}-stage"))
    first = found.named(REMOTE, "cp-1-activate")
    for node in MEMBERS:
        stop = found.named(REMOTE, f"{node}-restore")
        assert stop.inputs["create"].endswith("begin 3'")
        assert "delete" not in stop.inputs, "a machine that is gone cannot be asked"
        assert found.comes_after(stop, fetch)
        assert found.comes_after(first, stop)


def test_a_restore_gives_the_program_its_rights_again() -> None:
    """The snapshot may be older than the binding."""
    for number in (3, 4):
        assert made(number).named(REMOTE, "grant").inputs["create"].endswith(f" # restore {number}")
    assert "restore" not in made().named(REMOTE, "grant").inputs["create"]


def test_one_machine_restores_and_the_others_join_it() -> None:
    found = {node: staged(made(3), node) for node in MEMBERS}
    assert [found[node]["cfg/etcd-restores"] for node in MEMBERS] == ["yes\n", "no\n", "no\n"]
    assert {found[node]["cfg/restore"] for node in MEMBERS} == {"3 latest\n"}
    assert "restore.sh member" in found["cp-1"]["units/etcd.service"]


def test_the_state_records_the_machine_once_for_each_number() -> None:
    """Another number is another record, so that the machine that exists then restores."""
    record = made(3).named(STASH, "etcd-restore-3")
    assert record.ignore_changes == ("input",)
    assert made(4).named(STASH, "etcd-restore-4")


def test_a_restore_restarts_etcd_api_servers_and_controllers_only() -> None:
    def digests(recording: Recording) -> dict[str, str]:
        return dict(line.split(" ", 1) for line in staged(recording, "cp-1")["tables/units"].splitlines())

    before, after = digests(made(3)), digests(made(4))
    changed = {unit for unit in before if before[unit] != after[unit]}
    services = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    assert changed == {f"{service}.service" for service in services}


@pytest.mark.parametrize(
    ("last", "number", "expected"),
    [
        (None, None, 0),
        (None, 3, 3),
        (3, 4, 4),
        # Taken off the page, or a lower number: no number is used twice.
        (7, None, 7),
        (7, 2, 7),
    ],
)
def test_the_output_knows_the_highest_restore(last: int | None, number: int | None, expected: int) -> None:
    change: dict[str, Any] = {"backup": BACKUP}
    if number is not None:
        change["restore"] = {"number": number, "snapshot": "latest"}
    known = {} if last is None else {"FAKE_OUTPUTS": json.dumps({"restored": last})}
    found = run(page("stacked", change), lock=lock_data(cluster("stacked").page), extra=SECRET_KEYS | known)
    assert found.error is None, found.error
    assert plain(found.outputs)["restored"] == expected


def test_a_stack_without_snapshots_has_no_such_output() -> None:
    assert "restored" not in run(page("stacked"), lock=lock_data(cluster("stacked").page)).outputs
