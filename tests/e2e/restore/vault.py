"""The place of the snapshots: a container in the local network of the cluster, with SFTP and with S3 over TLS."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.guest import address_of_guest, guest
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.secret import encrypted
from tests.e2e.support.wait import eventually

S3_PORT = 9000
FOLDER, BUCKET = "/srv/snapshots", "snapshots"
_SSHD = "mkdir -p /run/sshd /srv && chmod 700 /root/.ssh && exec /usr/sbin/sshd -D -e"
ACCESS_KEY = "restore-suite"


@dataclass(frozen=True)
class Vault:
    """The container, and the values of `hardway:backup.to` for both of its servers."""

    machine: Machine
    sftp: dict[str, Any]
    s3: dict[str, Any]

    def copy(self, password: str) -> bytes:
        """The newest snapshot in the folder, as the archive that restic writes for whoever has the password."""
        dump = f"RESTIC_PASSWORD_FILE=/dev/stdin restic --no-cache -r {FOLDER} dump --archive tar latest / | base64"
        return base64.b64decode(self.machine.run(dump, stdin=password).ok())


@contextlib.contextmanager
def vault(cluster: Cluster) -> Iterator[Vault]:
    """The container runs during the body. The stack of the cluster has to be up."""
    address = address_of_guest(cluster)
    folder = cluster.stack.folder / "vault"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        (folder / name).unlink(missing_ok=True)
        ask(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]).ok()
    _certificate(folder, address)
    mounts = {folder / "host": "/etc/ssh/ssh_host_ed25519_key", folder / "user.pub": "/root/.ssh/authorized_keys"}
    with guest(cluster, "vault", ["sh", "-c", _SSHD], mounts) as machine, _s3(machine, folder):
        yield Vault(
            machine,
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
                "endpoint": f"https://{address}:{S3_PORT}",
                "bucket": BUCKET,
                "prefix": "dev",
                "accessKeyId": ACCESS_KEY,
                "secretAccessKey": encrypted(cluster.stack, "not-a-secret"),
                "ca": (folder / "s3.pem").read_text(),
            },
        )


@contextlib.contextmanager
def _s3(machine: Machine, folder: Path) -> Iterator[None]:
    """A server of moto in the network of the container."""
    program = [sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", str(S3_PORT)]
    program += ["-s", "-c", str(folder / "s3.pem"), "-k", str(folder / "s3.key")]
    with (folder / "s3.log").open("w") as log:
        server = subprocess.Popen(machine.in_network(program), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        url = f"https://{machine.address}:{S3_PORT}/{BUCKET}"
        make = ["curl", "-fsS", "--cacert", str(folder / "s3.pem"), "-X", "PUT", url]
        eventually(lambda: ask(machine.in_network(make)).ok(), 30, "the S3 server has a bucket")
        yield
    finally:
        server.terminate()
        server.wait(10)


def _certificate(folder: Path, address: str) -> None:
    """A certificate that signs itself."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=vault", "-addext", f"subjectAltName=IP:{address}"]
    ask([*command, "-keyout", str(folder / "s3.key"), "-out", str(folder / "s3.pem")]).ok()
