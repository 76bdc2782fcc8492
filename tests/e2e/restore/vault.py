"""The place of the snapshots: a container in the local network of the cluster, with SFTP and with S3 over TLS."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.node.render.backup import WORK
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.guest import address_of_guest, guest
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.s3_server import ACCESS_KEY, BUCKET, SECRET, S3Server, versitygw
from tests.e2e.support.secret import encrypted

S3_PORT = 9000
FOLDER = "/srv/snapshots"
_SSHD = "mkdir -p /run/sshd /srv && chmod 700 /root/.ssh && exec /usr/sbin/sshd -D -e"
DISK = 64
"""The size of the disk for buckets, in MiB."""


@dataclass(frozen=True)
class Vault:
    """The container, the server of S3 in its network, and the values of `hardway:backup.to` for both of its servers."""

    machine: Machine
    server: S3Server
    sftp: dict[str, Any]
    s3: dict[str, Any]

    def copy(self, password: str) -> bytes:
        """The newest snapshot in the folder, as the archive that restic writes for whoever has the password."""
        dump = f"dump --archive tar --path {WORK}/taking latest /"
        return self._restic(dump, password)

    def state(self, password: str) -> bytes:
        """The newest state of Pulumi in the folder, as the file that `pulumi stack import` reads."""
        return self._restic("dump --tag state latest state.json", password)

    def _restic(self, command: str, password: str) -> bytes:
        reads = f"RESTIC_PASSWORD_FILE=/dev/stdin restic --no-cache -r {FOLDER} {command} | base64"
        return base64.b64decode(self.machine.run(reads, stdin=password).ok())


@contextlib.contextmanager
def vault(cluster: Cluster) -> Iterator[Vault]:
    """The container runs during the body. The stack of the cluster has to be up."""
    address = address_of_guest(cluster)
    folder = cluster.stack.folder / "vault"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.pub").unlink(missing_ok=True)
        ask(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]).ok()
    for name in ("s3.pem", "s3.key"):
        (folder / name).unlink(missing_ok=True)
    mounts = {folder / "host": "/etc/ssh/ssh_host_ed25519_key", folder / "user.pub": "/root/.ssh/authorized_keys"}
    server = S3Server(versitygw(), folder, address, S3_PORT, mebibytes=DISK)
    with guest(cluster, "vault", ["sh", "-c", _SSHD], mounts) as machine, contextlib.closing(server):
        server.inside = machine.in_network([])
        server.start()
        yield Vault(
            machine,
            server,
            {
                "kind": "sftp",
                "host": address,
                "user": "root",
                "path": FOLDER,
                "hostKey": " ".join((folder / "host.pub").read_text().split()[:2]),
                "privateKey": encrypted(cluster.stack, (folder / "user").read_text()),
            },
            {
                "kind": "s3",
                "endpoint": server.url,
                "bucket": BUCKET,
                "prefix": "dev",
                "accessKeyId": ACCESS_KEY,
                "secretAccessKey": encrypted(cluster.stack, SECRET),
                "ca": server.ca.read_text(),
            },
        )
