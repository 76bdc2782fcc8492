"""A renewed certificate is in use without a restart: a real API server on a machine whose release changes."""

import socket
import ssl
import time
from pathlib import Path

import pytest
from api_server import NAMES, ApiServer, program
from authorities import Made, make
from cryptography import x509
from scratch_machine import ReleaseMachine

_SECONDS = 20
"""The API server reads files at once after an event, and would else read them never."""


class RenewedServer:
    """An API server whose certificate is in the current release of a machine."""

    def __init__(self, folder: Path) -> None:
        self.machine = ReleaseMachine(folder)
        self.server = ApiServer(folder, program("etcd"), program("kube-apiserver"))
        self._release("0")
        self.machine.runs("0")
        (self.machine.root / "ssl").symlink_to("current/ssl")
        for name in ("server.pem", "server.key"):
            (folder / name).symlink_to(self.machine.root / "ssl" / name)

    def _release(self, digest: str) -> Path:
        release = self.machine.release(digest, {"a.service": "1 1"})
        for name in ("ssl", "cfg"):
            (release / name).mkdir()
        return release / "ssl"

    def renew(self, digest: str) -> Made:
        """Activate a release with another certificate."""
        made = make("CN=server", self.server.web, authority=False, signs=False, more=[NAMES])
        folder = self._release(digest)
        (folder / "server.pem").write_text(made.chain)
        (folder / "server.key").write_text(made.private)
        done = self.machine.apply("activate", digest)
        assert done.returncode == 0, done.stderr
        return made

    def shown(self) -> int:
        """The serial number of the certificate that the server shows."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.server.port), 5) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            found = wrapped.getpeercert(binary_form=True)
        assert found
        return x509.load_der_x509_certificate(found).serial_number


def test_api_servers_show_every_renewed_certificate(tmp_path: Path) -> None:
    """API servers watch the files that they have read, and not the links that lead to the current release."""
    renewed = RenewedServer(tmp_path)
    try:
        renewed.server.start()
        # After the third, the release with which the server started is gone.
        for digest in ("1", "2", "3", "4"):
            want = renewed.renew(digest).certificate.serial_number
            deadline = time.monotonic() + _SECONDS
            while renewed.shown() != want:
                if time.monotonic() > deadline:
                    pytest.fail(f"the API server does not show the certificate of release {digest} after {_SECONDS} s")
                time.sleep(0.2)
    finally:
        renewed.server.stop()
