"""Names of material: what files of nodes refer to instead of holding it.

The names are part of the outline of a release, and so of the state of running stacks: they stay.
"""

from __future__ import annotations

SERVICE_ACCOUNT_PUBLIC_KEYS = "service-account:pub"
"""The public keys of all trusted generations, in PEM: API servers verify tokens with them."""
SERVICE_ACCOUNT_SIGNING_KEY = "service-account:key"
"""The private key of the active generation, which signs tokens."""
ENCRYPTION_CONFIG = "encryption-config"
"""The EncryptionConfiguration with the keys of all trusted generations, the active one first."""
BACKUP_KEY = "backup-key"
"""The password that encrypts snapshots of etcd outside of the cluster."""
BACKUP_CREDENTIALS = "backup-credentials"
"""The credentials of the place of the snapshots: a private SSH key, or variables with an access key."""
STATIC_TOKENS = "static-tokens"
"""The file of API servers with the users of `access.tokens` and their tokens."""
SERVICE_ACCOUNT_KEY_IDS = "service-account:kids"
"""The ids of the keys of all trusted generations, one in each line, the active one first. A token names its key."""


def bootstrap_token(node: str) -> str:
    """The name of the token with which the kubelet of a new node requests its first certificate."""
    return f"{node}-bootstrap-token"


def bootstrap_token_end(node: str) -> str:
    """The name of the token's end, in seconds since 1970."""
    return f"{node}-bootstrap-token:end"


def certificate_of(leaf: str) -> str:
    """The name of a leaf's certificate."""
    return f"{leaf}:cert"


def key_of(leaf: str) -> str:
    """The name of a leaf's private key."""
    return f"{leaf}:key"


def trust_bundle(authority: str) -> str:
    """The name of the certificates that are trusted for an authority: those of all its trusted generations, in PEM."""
    return f"{authority}-ca:cert"


def certification_path(authority: str) -> str:
    """The name of the trust bundle together with the issuers of given authorities, up to their roots, in PEM."""
    return f"{authority}-ca:path"


def signing_certificate(authority: str) -> str:
    """The name of the one certificate whose key signs for an authority."""
    return f"{authority}-ca:signing-cert"


def signing_key(authority: str) -> str:
    """The name of the private key that signs for an authority."""
    return f"{authority}-ca:key"
