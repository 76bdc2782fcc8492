"""A real server of S3 with TLS: versitygw, which keeps the objects of a bucket as files of a folder.

https://github.com/versity/versitygw. The addresses of S3 itself and its rights are not part of this server.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.common.paths import shared_cache
from tools.common.progress import Progress
from tools.common.store import Store
from tools.from_source import catalogue, gobuild

ACCESS_KEY, SECRET = "of-the-tests", "not-a-secret"
BUCKET = "snapshots"
_START_SECONDS = 20
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def versitygw() -> Path:
    """The program, built into the shared cache if it is not there. Skips the test if there is no Go."""
    # The name of a program in the store has the version of Go.
    if shutil.which("go") is None:
        pytest.skip("no server of S3: there is no `go` on PATH to build versitygw with")
    return gobuild.build(catalogue.S3_SERVER, Store(shared_cache() / "store"), Progress("versitygw"))


@dataclass
class S3Server:
    """One server. Its files are in `folder`; it has the bucket BUCKET after the first start.

    `inside` begins the command line, so that the server can run in another network. `mebibytes` is the size of the disk
    for all buckets; 0 is the disk of the folder. A disk of its own is memory that only the server sees, and needs root;
    it is there until `close`. `secret` is the access key that the server knows at its next start.
    """

    program: Path
    folder: Path
    address: str = "127.0.0.1"
    port: int = 0
    inside: Sequence[str] = ()
    mebibytes: int = 0
    secret: str = SECRET
    _process: subprocess.Popen[bytes] | None = None
    _disk: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server is, after its first start."""
        return f"https://{self.address}:{self.port}"

    @property
    def ca(self) -> Path:
        """The file with the certificate that verifies the server."""
        return self.folder / "s3.pem"

    @property
    def buckets(self) -> Path:
        """The folder with a folder for each bucket. `on_disk` sees its content."""
        return self.folder / "buckets"

    def start(self) -> S3Server:
        """Start, and return when the server accepts connections. A second start uses the same port."""
        self.buckets.mkdir(parents=True, exist_ok=True)
        self.port = self.port or _free_port()
        self._certify()
        self._mount()
        self.on_disk(f"mkdir -p {BUCKET}")
        secrets = {"ROOT_ACCESS_KEY_ID": ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": self.secret}
        server = [str(self.program), "--port", f"{self.address}:{self.port}"]
        server += ["--cert", str(self.ca), "--key", str(self.folder / "s3.key"), "posix", str(self.buckets)]
        with (self.folder / "s3.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._seeing_disk(), *self.inside, *server],
                env=secrets | {"PATH": _PATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _START_SECONDS
        while not self._accepts():
            told = (self.folder / "s3.log").read_text()[-2000:]
            assert self._process.poll() is None and time.monotonic() < until, f"versitygw did not start: {told}"
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Stop, if the server runs. Its disk stays."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def close(self) -> None:
        """Stop, and give back the disk with all objects on it."""
        self.stop()
        if self._disk:
            self._disk.kill()
            self._disk.wait(10)
            self._disk = None

    def on_disk(self, script: str) -> str:
        """Run a shell script in the folder of the buckets, and return its output."""
        shell = ["sh", "-euc", f"cd {self.buckets}; {script}"]
        return subprocess.run([*self._seeing_disk(), *shell], capture_output=True, text=True, check=True).stdout

    def _mount(self) -> None:
        """The process that keeps the disk."""
        if not self.mebibytes or self._disk:
            return
        mount = f"mount -t tmpfs -o size={self.mebibytes}m tmpfs {self.buckets} && echo && exec sleep infinity"
        self._disk = subprocess.Popen(["unshare", "--mount", "sh", "-c", mount], stdout=subprocess.PIPE)
        assert self._disk.stdout
        assert self._disk.stdout.readline() == b"\n", "the disk of the server cannot be mounted"

    def _seeing_disk(self) -> list[str]:
        return ["nsenter", "--target", str(self._disk.pid), "--mount"] if self._disk else []

    def _certify(self) -> None:
        """A certificate that signs itself."""
        if self.ca.exists():
            return
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(self.folder / "s3.key")]
        name = ["-subj", "/CN=vault", "-addext", f"subjectAltName=IP:{self.address}", "-days", "2"]
        command = ["openssl", "req", "-x509", *key, *name, "-out", str(self.ca)]
        subprocess.run(command, capture_output=True, check=True)

    def _accepts(self) -> bool:
        connect = f"import socket; socket.create_connection(('{self.address}', {self.port}), 1)"
        command = [*self.inside, sys.executable, "-c", connect]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port
