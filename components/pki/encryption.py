"""Encryption of Secrets in etcd: the API server's EncryptionConfiguration."""

from __future__ import annotations

import json
from collections.abc import Sequence


def encryption_config(keys: Sequence[tuple[int, str]]) -> str:
    """Encryption at rest with secretbox (XSalsa20-Poly1305).

    `keys` are pairs of a generation and its key, 32 random bytes in base64. The first key encrypts, all keys decrypt.
    https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/. The text holds the keys, so it is secret.
    """
    secretbox = [{"name": f"key{generation}", "secret": key} for generation, key in keys]
    config = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {"resources": ["secrets"], "providers": [{"secretbox": {"keys": secretbox}}, {"identity": {}}]},
        ],
    }
    return json.dumps(config, indent=2) + "\n"
