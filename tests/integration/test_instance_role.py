"""The real restic takes snapshots with the role of an instance, and the role can do nothing else."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "instance_role.py"
ALONE = ["unshare", "--map-root-user", "--net"]


def _has_namespaces() -> bool:
    return shutil.which("ip") is not None and subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.skipif(shutil.which("restic") is None, reason="no restic on this machine"),
    pytest.mark.skipif(not _has_namespaces(), reason="this user may not make a network namespace, or there is no ip"),
]


def test_restic_needs_no_key_and_the_role_has_no_further_rights() -> None:
    done = subprocess.run([*ALONE, sys.executable, str(PROGRAM)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # backup.sh makes the repository after this message, which S3 gives only to who may list the bucket.
    assert "The specified key does not exist" in found.pop("empty")
    refused = found.pop("refused")
    assert found == dict.fromkeys(("init", "backup", "snapshots", "forget", "check"), "done")
    assert [what for what, was_refused in refused.items() if not was_refused] == []
    assert len(refused) == 7
