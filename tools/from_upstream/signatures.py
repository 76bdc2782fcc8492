"""Verifies signatures of release files: keyless ones of Sigstore, beside the files as `NAME.sig` and `NAME.cert`.

The certificate names who has signed, and was valid for minutes. The transparency log (Rekor) says that the signature
was made in these minutes. Root of trust, log and certificate are checked by the program `sigstore` of
https://pypi.org/project/sigstore: its TUF client refreshes the root, so this needs the internet. The signature is over
the digest of the file, so the file itself is not downloaded.
"""

import base64
import binascii
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.common.errors import ToolError
from tools.from_upstream import published

_SECONDS = 120.0
"""The longest time for one file: the program asks for the root of trust and then the log."""
_WIDE = {"COLUMNS": "2000", "NO_COLOR": "1", "TERM": "dumb"}
"""So that the program breaks no line of its log."""


@dataclass(frozen=True)
class Signer:
    """Who has to have signed: the identity in the certificate, and the issuer that has proved the identity."""

    identity: str
    issuer: str


# https://kubernetes.io/docs/tasks/administer-cluster/verify-signed-artifacts/
KUBERNETES = Signer("krel-staging@k8s-releng-prod.iam.gserviceaccount.com", "https://accounts.google.com")


def verify(url: str, sha256: str, signer: Signer, trust: Path | None = None) -> None:
    """Verify that `signer` has signed the file with this digest. `url` is the address of the file.

    `trust` is the trust configuration of another Sigstore instance than the public one. Raises ToolError.
    """
    with TemporaryDirectory(prefix="hardway-") as name:
        signature, certificate = Path(name) / "signature", Path(name) / "certificate"
        signature.write_bytes(published.read(f"{url}.sig").strip())
        certificate.write_bytes(_pem(published.read(f"{url}.cert")))
        command = [
            *(sys.executable, "-m", "sigstore"),
            *(("--trust-config", str(trust)) if trust else ()),
            *("verify", "identity", "--signature", str(signature), "--certificate", str(certificate)),
            *("--cert-identity", signer.identity, "--cert-oidc-issuer", signer.issuer, f"sha256:{sha256}"),
        ]
        try:
            done = subprocess.run(
                command, env={**os.environ, **_WIDE}, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ToolError(f"{url}.sig: no answer about this signature within {_SECONDS:g} s") from None
    if done.returncode != 0:
        raise ToolError(
            f"{url}.sig is not verified as a signature of {signer.identity} over sha256 {sha256}: {_why(done.stderr)}"
        )


def _pem(content: bytes) -> bytes:
    """The certificate as PEM. cosign writes PEM as base64 text."""
    try:
        return base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        return content


def _why(text: str) -> str:
    """What the program says: the last error of its log, or else the end of its output."""
    errors = [found[1].strip() for found in re.finditer(r"ERROR +(?!FAIL)(.*?)(?: {2,}\S+\.py:\d+)?$", text, re.M)]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join((errors or lines or ["the program sigstore says nothing"])[-1].split())
