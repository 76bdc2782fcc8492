"""Writes the parts of a kubeconfig as PEM files."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support.kubectl import write_private


@dataclass(frozen=True)
class Credentials:
    """Files with the certificate of the authority, a client certificate, and its key (mode 0600)."""

    ca: Path
    cert: Path
    key: Path


def unpack(kubeconfig: Path, folder: Path) -> Credentials:
    """Write the embedded parts of a kubeconfig into three files in `folder`."""
    content = json.loads(kubeconfig.read_text())
    (user,), (cluster,) = content["users"], content["clusters"]
    found = {
        "ca": cluster["cluster"]["certificate-authority-data"],
        "cert": user["user"]["client-certificate-data"],
        "key": user["user"]["client-key-data"],
    }
    files = {
        name: write_private(folder / f"{name}.pem", base64.b64decode(data).decode()) for name, data in found.items()
    }
    return Credentials(**files)
