"""Snapshots of etcd on the members: settings, credentials and a timer."""

from __future__ import annotations

from components.config import Page
from components.config.aws import AwsSection
from components.config.backup import Backup, FolderTarget, S3Target, SftpTarget
from components.config.s3 import endpoint_of, region_of
from components.node.model import ROOT, Directory, NodeFile, NodePart, Ref, scheduled
from components.node.render.etcd import USER
from components.node.render.systemd import SANDBOX
from components.pki.names import BACKUP_CREDENTIALS, BACKUP_KEY
from components.x509 import certificates_alone

WORK = "/var/lib/hardway-backup"
SETTINGS = "cfg/backup.env"
_CA, _KNOWN_HOSTS = "cfg/backup-ca.crt", "cfg/backup-known-hosts"
_PASSWORD, _ENVIRONMENT, _SSH_KEY = "ssl/backup/password", "ssl/backup/environment", "ssl/backup/ssh.key"
_TICKS = 10
_LEAST_TICK = 6
"""Each member looks ten times in the time between two snapshots, at most every 6 s: another member may be down."""


def backup_part(page: Page, backup: Backup, bucket: str) -> NodePart:
    """What a member needs to take snapshots (backup.sh), and to restore one (restore.sh).

    `bucket` is the name of the bucket if the page has none.
    """
    service, timer = _service(page, backup), _timer(backup)
    commands = ("restic", "openssl", *(("ssh",) if isinstance(backup.to, SftpTarget) else ()))
    return NodePart(
        files=(
            NodeFile(SETTINGS, _settings(page, backup, bucket)),
            NodeFile(_PASSWORD, Ref(BACKUP_KEY), 0o600, USER),
            *_files(backup),
        ),
        units=scheduled("etcd-backup", service, timer),
        artifacts=("etcd",),
        directories=(Directory(WORK, USER),),
        users=(USER,),
        commands=commands,
    )


def _files(backup: Backup) -> list[NodeFile]:
    target = backup.to
    if isinstance(target, SftpTarget):
        known = f"[{target.host}]:{target.port} {target.host_key}\n"
        return [
            NodeFile(_KNOWN_HOSTS, known if target.port != 22 else f"{target.host} {target.host_key}\n"),
            NodeFile(_SSH_KEY, Ref(BACKUP_CREDENTIALS), 0o600, USER),
        ]
    files = []
    if isinstance(target, S3Target):
        if target.ca:
            files.append(NodeFile(_CA, certificates_alone(target.ca)))
        if target.access_key_id:
            files.append(NodeFile(_ENVIRONMENT, Ref(BACKUP_CREDENTIALS), 0o600, USER))
    return files


def _settings(page: Page, backup: Backup, bucket: str) -> str:
    """Variables for snapshots.sh. `$here` is the folder of the release: a new release reads its own credentials."""
    target, keep = backup.to, backup.keep
    region = ca = sftp = ""
    if isinstance(target, S3Target):
        endpoint, region = _server(page, target)
        place = f"s3:{endpoint}/{target.bucket or bucket}/{target.prefix}"
        ca = f"$here/{_CA}" if target.ca else ""
    elif isinstance(target, SftpTarget):
        place = f"sftp:{target.user}@{target.host}:{target.path}"
        options = "-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o IdentitiesOnly=yes"
        known = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile=$here/{_KNOWN_HOSTS}"
        sftp = f"ssh -F none -p {target.port} -i $here/{_SSH_KEY} {options} {known} {target.user}@{target.host} -s sftp"
    else:
        place = target.path
    # restic refuses --keep-last 0.
    kept = " ".join(f"--keep-{name} {number}" for name, number in keep.model_dump().items() if number)
    values = {
        "REPOSITORY": place,
        "REGION": region,
        "CA": ca,
        "SFTP": sftp,
        "WORK": WORK,
        "SECONDS": str(int(backup.every.total_seconds())),
        "TICK": str(_tick(backup)),
        "KEEP": kept,
        "KEYS": ",".join(map(str, page.pki.generations.encryption.active_first)),
        "ETCD": page.versions.etcd,
        "KUBERNETES": page.versions.kubernetes,
    }
    return "".join(f'BACKUP_{name}="{value}"\n' for name, value in values.items())


def _server(page: Page, target: S3Target) -> tuple[str, str]:
    """URL and region of S3. The region is empty if the server tells it.

    A role cannot ask the server for the region: that would be one right more, s3:GetBucketLocation.
    """
    if not (target.by_role and isinstance(page.machines, AwsSection)):
        return target.endpoint, target.region or ""
    region = target.region or region_of(target.endpoint) or page.machines.region
    return target.endpoint if "endpoint" in target.model_fields_set else endpoint_of(region), region


def _tick(backup: Backup) -> int:
    """Seconds between two looks of a member."""
    return max(_LEAST_TICK, int(backup.every.total_seconds()) // _TICKS)


def _service(page: Page, backup: Backup) -> str:
    written = [WORK, *([backup.to.path] if isinstance(backup.to, FolderTarget) else [])]
    return "\n".join(
        (
            "[Unit]",
            "Description=A snapshot of etcd, if one is due",
            "After=network-online.target etcd.service",
            "Wants=network-online.target",
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart=/bin/sh {ROOT}/current/backup.sh tick",
            "TimeoutStartSec=1h",
            "Nice=10",
            "IOSchedulingClass=idle",
            f"User={USER}",
            *SANDBOX,
            *(f"ReadWritePaths={path}" for path in written),
            "",
        )
    )


def _timer(backup: Backup) -> str:
    return "\n".join(
        (
            "[Unit]",
            "Description=Snapshots of etcd",
            "",
            "[Timer]",
            f"OnActiveSec={_tick(backup)}s",
            f"OnUnitInactiveSec={_tick(backup)}s",
            f"RandomizedDelaySec={_tick(backup) // 2}s",
            "AccuracySec=1s",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        )
    )
