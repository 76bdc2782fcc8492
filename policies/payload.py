"""What lies in a node's release: the archive that `components/node/payload.py` packs, read back."""

from __future__ import annotations

import base64
import binascii
import io
import tarfile

_LONGEST = 64 * 1024 * 1024
"""Bytes of base64 text that are unpacked; a release has less than one in a hundred of it."""


def files(stdin: str | None) -> dict[str, str]:
    """Path and text of each file in an archive (base64 of a tar); empty for anything else. Keys are left out."""
    if not stdin or len(stdin) > _LONGEST:
        return {}
    try:
        data = base64.b64decode(stdin, validate=True)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            members = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
            texts = {name: file.read().decode(errors="replace") for name, file in members if file}
    except (binascii.Error, tarfile.TarError, ValueError, EOFError):
        return {}
    return {name: text for name, text in texts.items() if "PRIVATE KEY-----" not in text}
