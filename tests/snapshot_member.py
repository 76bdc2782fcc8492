"""A member of etcd that takes and restores snapshots, with a real etcd and a real restic."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from clusters import cluster
from real_etcd import EtcdCluster
from scratch_machine import ReleaseMachine

from components.config.backup import S3Target

VERSIONS = ("3.7.2", "1.37.1")
"""The versions of etcd and Kubernetes of most tests."""
needs_restic = pytest.mark.skipif(shutil.which("restic") is None, reason="no restic on this machine")
# Pretends to be another user without another user's rights, and to give directories to another user.
RUNUSER = 'shift 3\nexec "$@"\n'
INSTALL = 'for last; do [ -n "${last##/*}" ] || mkdir -p "$last"; done\n'


class Member(ReleaseMachine):
    """A member of etcd with releases in which it takes and restores snapshots."""

    def __init__(self, folder: Path, etcd: EtcdCluster) -> None:
        super().__init__(folder)
        self.etcd, self.place, self.work = etcd, folder / "place", folder / "work"
        self.work.mkdir()
        etcd.equip(self, etcd.members[0])
        self.program("runuser", RUNUSER)
        self.program("install", INSTALL)
        self.program("chown")

    @classmethod
    def with_snapshot(cls, folder: Path, etcd: EtcdCluster) -> Member:
        """A member that has taken a snapshot with the release `now`, which runs."""
        made = cls(folder, etcd)
        made.lay_out("now", VERSIONS)
        made.runs("now")
        done = made.run(made.root / "current/backup.sh", "now")
        assert done.returncode == 0, done.stderr
        return made

    def lay_out(self, name: str, versions: tuple[str, str], to: Mapping[str, Any] | None = None, **backup: Any) -> None:
        """Stage a release with these versions of etcd and Kubernetes, and with snapshots that go to a place.

        `to` is `backup.to` of the page, and a folder of the test if it is left out; `backup` has further keys.
        """
        release = self.release(name, {})
        place = to or {"kind": "folder", "path": str(self.place)}
        change = {"backup": {"to": place} | backup, "versions": {"etcd": versions[0], "kubernetes": versions[1]}}
        contents = {file.path: file.content for file in cluster("stacked", change, ["backup"]).part("cp-1").files}
        (release / "cfg").mkdir()
        (release / "ssl/backup").mkdir(parents=True)
        settings = str(contents["cfg/backup.env"]).replace("/var/lib/hardway-backup", str(self.work))
        (release / "cfg/backup.env").write_text(settings)
        (release / "cfg/etcd-functions").write_text(str(contents["cfg/etcd-functions"]))
        (release / "cfg/cluster-id").write_text("cluster-of-the-test\n")
        (release / "bin").symlink_to(self.root / "bin")
        (release / "ssl/backup/password").write_text("a password\n")
        if "cfg/backup-ca.crt" in contents:
            (release / "cfg/backup-ca.crt").write_text(str(contents["cfg/backup-ca.crt"]))
        key = S3Target.model_validate(place).credentials() if to else None
        (release / "ssl/backup/environment").write_text(key or "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n")
        now = time.time() + (10 if name == "new" else 0)
        os.utime(release, (now, now))

    def before_upgrade(self, *minors: str) -> subprocess.CompletedProcess[str]:
        """Run the command of the program in the release `new`, which was staged last."""
        return self.run(self.root / "releases/new/backup.sh", "before-upgrade", *minors)

    @property
    def last(self) -> list[str]:
        """What etcd knows of the newest snapshot: time, id, revision, versions. Empty if there is none."""
        return self.etcd.ctl("get", "--print-value-only", "/hardway/backup/last").stdout.split()

    def metadata(self) -> str:
        """The metadata in the newest snapshot of the place."""
        return self.dump(self.last[1], f"{self.work}/taking/metadata").decode()

    def dump(self, *words: str) -> bytes:
        """What `restic dump` writes for a person with the password."""
        secret = {"RESTIC_PASSWORD": "a password", "RESTIC_REPOSITORY": str(self.place), "PATH": os.environ["PATH"]}
        return subprocess.run(
            ["restic", "--no-cache", "dump", *words], env=secret, capture_output=True, check=True
        ).stdout
