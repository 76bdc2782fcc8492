"""Who may read the keys of a release that is staged: root, and the service that the key is for."""

import os
import pwd
import shutil
import struct
from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine

ACL = "system.posix_acl_access"
USER, MASK = 0x02, 0x10
"""Tags of entries for a user and for the mask, linux/posix_acl.h. An entry has a tag, rights, and a user."""
PATH = "ssl/a/server.key"


def staged(machine: ReleaseMachine) -> Path:
    """Stage a release with one key for the user `nobody` and one for root, and return its folder."""
    new = machine.whole_payload("")
    (new / "ssl/a").mkdir()
    for name in (PATH, "ssl/root.key"):
        (new / name).write_text("key\n")
        (new / name).chmod(0o600)
    (new / "tables/readers").write_text(f"nobody {PATH}\n")
    done = machine.apply("stage", "abc", str(new))
    assert done.returncode == 0, done.stderr
    return machine.root / "releases/abc"


def owner_and_mode(path: Path) -> tuple[int, int, str]:
    found = path.stat()
    return found.st_uid, found.st_gid, f"{found.st_mode & 0o7777:o}"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("systemd-tmpfiles"), reason="needs root and systemd")
def test_a_service_reads_its_key_which_belongs_to_root(tmp_path: Path) -> None:
    release = staged(ReleaseMachine(tmp_path))
    entries = {
        tag: (rights, of) for tag, rights, of in struct.iter_unpack("<HHI", os.getxattr(release / PATH, ACL)[4:])
    }
    assert entries[USER] == (4, pwd.getpwnam("nobody").pw_uid) and entries[MASK][0] == 4
    # The group root may read nothing: what stat shows as rights of the group is the mask.
    assert owner_and_mode(release / PATH) == (0, 0, "640") and entries[0x04][0] == 0
    assert owner_and_mode(release / "ssl/root.key") == (0, 0, "600")
    with pytest.raises(OSError, match="No data available"):
        os.getxattr(release / "ssl/root.key", ACL)


def test_without_access_control_lists_the_group_of_the_service_reads_it(tmp_path: Path) -> None:
    """systemd-tmpfiles ignores such a file system without a word."""
    machine = ReleaseMachine(tmp_path)
    machine.program("systemd-tmpfiles", "cat >/dev/null\n")
    machine.program("chgrp")
    release = staged(machine)
    assert [call.replace(str(machine.root), "") for call in machine.calls if "chgrp" in call] == [
        f"chgrp nobody /releases/.new-x/{PATH}"
    ]
    assert owner_and_mode(release / PATH)[2] == "640" and owner_and_mode(release / "ssl/root.key")[2] == "600"


def test_a_key_that_its_service_cannot_read_is_no_release(tmp_path: Path) -> None:
    """The service would fail only when it starts."""
    machine = ReleaseMachine(tmp_path)
    machine.program("systemd-tmpfiles", "cat >/dev/null\n")
    new = machine.whole_payload("")
    (new / "cfg/a").touch(0o600)
    (new / "tables/readers").write_text("no-such-user cfg/a\n")
    done = machine.apply("stage", "abc", str(new))
    assert done.returncode != 0 and "no-such-user" in done.stderr
    assert not (machine.root / "releases/abc").exists()
