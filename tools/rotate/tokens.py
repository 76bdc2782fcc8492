"""Which key signed a token of a service account: the header of the token names the key.

https://www.rfc-editor.org/rfc/rfc7515#section-4.1.4. Pure; nothing here prints a token.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any


def key_id(token: str) -> str:
    """The name of the key, or an empty text if this is no token with such a name."""
    header = token.partition(".")[0]
    try:
        named = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError):
        return ""
    return str(named.get("kid", "")) if isinstance(named, dict) else ""


def signed_by_another_key(secrets: Iterable[Mapping[str, Any]], active: str) -> list[str]:
    """Secrets with a token that the key `active` has not signed, each as `NAME in NAMESPACE`."""
    return [
        f"{item['metadata']['name']} in {item['metadata']['namespace']}"
        for item in secrets
        if (token := (item.get("data") or {}).get("token")) and key_id(base64.b64decode(token).decode()) != active
    ]
