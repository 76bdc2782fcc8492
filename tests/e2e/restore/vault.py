"""The place of the snapshots: a container in the local network of the cluster, with SFTP and with S3 over TLS."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.s3_server import ACCESS_KEY, BUCKET, SECRET, S3Server, versitygw

HOST, S3_PORT = 250, 9000
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
        dump = f"RESTIC_PASSWORD_FILE=/dev/stdin restic --no-cache -r {FOLDER} dump --archive tar latest / | base64"
        return base64.b64decode(self.machine.run(dump, stdin=password).ok())


@contextlib.contextmanager
def vault(cluster: Cluster) -> Iterator[Vault]:
    """The container runs during the body. The stack of the cluster has to be up."""
    stack, lab = cluster.stack, cluster.stack.lab
    engine = next(iter(cluster.machines.values())).engine
    address = f"{lab.subnet.rpartition('.')[0]}.{HOST}"
    folder = stack.folder / "vault"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.pub").unlink(missing_ok=True)
        ask(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]).ok()
    for name in ("s3.pem", "s3.key"):
        (folder / name).unlink(missing_ok=True)
    image = ask([*engine, "inspect", "--format", "{{.ImageName}}", cluster.machines["cp-1"].container]).ok().strip()
    machine = Machine("vault", address, f"{lab.name}-vault", engine)
    ask([*engine, "rm", "--force", machine.container])
    mounts = {"host": "/etc/ssh/ssh_host_ed25519_key", "user.pub": "/root/.ssh/authorized_keys"}
    ask(
        [
            *(*engine, "run", "--detach", "--name", machine.container, "--label", f"hardway.lab={lab.name}"),
            *("--network", lab.name, "--ip", address, "--ulimit", "nofile=20000:20000"),
            *(f"--volume={folder / name}:{path}:ro" for name, path in mounts.items()),
            *("--ulimit", "nproc=10000:10000", image, "sh", "-c", _SSHD),
        ]
    ).ok()
    server = S3Server(versitygw(), folder, address, S3_PORT, mebibytes=DISK)
    try:
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
                "privateKey": _secret(cluster, "privateKey", (folder / "user").read_text()),
            },
            {
                "kind": "s3",
                "endpoint": server.url,
                "bucket": BUCKET,
                "prefix": "dev",
                "accessKeyId": ACCESS_KEY,
                "secretAccessKey": _secret(cluster, "secretAccessKey", SECRET),
                "ca": server.ca.read_text(),
            },
        )
    finally:
        server.close()
        ask([*engine, "rm", "--force", "--time", "0", machine.container]).ok()


def _secret(cluster: Cluster, key: str, text: str) -> dict[str, str]:
    """A value of the page, encrypted as `pulumi config set --secret` does it."""
    stack = cluster.stack
    page = stack.folder / f"secret-{time.monotonic_ns()}.yaml"
    page.write_text(stack.clone.page(stack.name).read_text())
    path = f"hardway:backup.to.{key}"
    command = ["pulumi", "config", "set", "--secret", "--path", path, "--stack", stack.name, "--config-file", str(page)]
    try:
        ask(command, env=stack.environment(), cwd=stack.clone.root, stdin=text, timeout=60).ok()
        secret: dict[str, str] = yaml.safe_load(page.read_text())["config"]["hardway:backup"]["to"][key]
        return secret
    finally:
        page.unlink()
