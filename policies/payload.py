"""What is on the standard input of a command: a script, or a node's release (`components/node/payload.py` packs it)."""

from __future__ import annotations

import base64
import binascii
import io
import re
import tarfile
import zlib

_LONGEST = 64 * 1024 * 1024
"""The longest base64 text that is unpacked, in bytes. A release has less than one hundredth of this size."""


_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_ENCODED = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")


def files(stdin: str | None) -> dict[str, str]:
    """The text of each file by path, without private keys. Empty if `stdin` is no compressed tar archive in base64."""
    if not stdin or len(stdin) > _LONGEST:
        return {}
    stdin = "".join(stdin.split())
    try:
        data = base64.b64decode(stdin, validate=True)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            members = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
            texts = {name: file.read().decode(errors="replace") for name, file in members if file}
    except (binascii.Error, tarfile.TarError, zlib.error, OSError, ValueError, EOFError):
        return {}
    # Only the keys go, so that a key in a file hides nothing else of the file.
    return {name: _KEY.sub("", text) for name, text in texts.items()}


def texts(stdin: str | None) -> dict[str, str]:
    """What a rule has to read of a standard input: the files of a release by path, else the text by the name stdin."""
    return files(stdin) or ({"stdin": _KEY.sub("", stdin)} if stdin else {})


def is_hidden(stdin: str | None) -> bool:
    """Whether `stdin` looks like a release, but cannot be read as one: rules would not see what is in it."""
    return bool(stdin) and not files(stdin) and bool(_ENCODED.fullmatch("".join(str(stdin).split())))
