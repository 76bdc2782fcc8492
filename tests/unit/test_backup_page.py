"""The certificates on the page that verify the server of snapshots."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clusters import cluster
from conftest import changed, page_values
from self_signed import self_signed

from components.config import ConfigError, load

NOW = datetime.now(UTC)
VALID = self_signed(NOW - timedelta(days=1), NOW + timedelta(days=1))
ENDED = self_signed(NOW - timedelta(days=3), NOW - timedelta(days=2))


def change(ca: str) -> dict[str, Any]:
    """A page with snapshots in S3."""
    key = {"accessKeyId": "AKIA", "secretAccessKey": "s3cr3t"}
    return {
        "backup": {"to": {"bucket": "backups", "prefix": "dev", "endpoint": "https://s3.example.com", "ca": ca} | key}
    }


def file_of(ca: str) -> str:
    """The file that restic reads."""
    files = cluster("stacked", change(ca), ["backup"]).part("cp-1").files
    return next(str(file.content) for file in files if file.path == "cfg/backup-ca.crt")


def test_a_certificate_that_has_ended_verifies_nothing() -> None:
    with pytest.raises(ConfigError, match=r"hardway:backup\.to\.ca: the certificate '.*' ended 20.* at least one"):
        load(changed(page_values("stacked"), change(ENDED)), ["backup"])
    load(changed(page_values("stacked"), change(ENDED + VALID)), ["backup"])


@pytest.mark.parametrize(
    "text",
    [VALID, f"# the server of the backups\n{VALID}", VALID.replace("\n", "\n   "), "\n".join(["", VALID, ""])],
    ids=["plain", "with a comment", "indented", "with empty lines"],
)
def test_restic_reads_the_certificate_however_the_page_has_it(text: str) -> None:
    """Go reads no block that is indented."""
    assert file_of(text) == VALID
