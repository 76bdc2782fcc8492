"""Taking a kubeconfig apart, for programs that want PEM files."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support.kubectl import write_private


@dataclass(frozen=True)
class Credentials:
    """Files with the authority's certificate, a client certificate, and its key (which only this user may read)."""

    ca: Path
    cert: Path
    key: Path


def unpack(kubeconfig: Path, folder: Path) -> Credentials:
    """Write what a kubeconfig with everything embedded holds into three files below `folder`."""
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
