"""The generations of the keys of a node. stage.sh compares them with the generations in the current release."""

from __future__ import annotations

from components.config.generations import KeyGenerations
from components.node.model import GENERATIONS, NodeFile, NodePart
from components.node.release import refs
from components.pki.leaves import AUTHORITIES
from components.pki.names import ENCRYPTION_CONFIG, SERVICE_ACCOUNT_PUBLIC_KEYS, trust_bundle

_SIGN_OF: dict[str, str] = {
    **{str(authority): trust_bundle(authority) for authority in AUTHORITIES},
    "service-account": SERVICE_ACCOUNT_PUBLIC_KEYS,
    "encryption": ENCRYPTION_CONFIG,
}
"""For each key, the material that shows that a node uses the key."""


def generations_file(generations: KeyGenerations, part: NodePart) -> NodePart:
    """`cfg/generations`: a line `KEY ACTIVE TRUSTED...` for each key that a node with this part uses.

    The SSH key is not part of a release: commands replace it (components/machines/login.py).
    """
    has = set(refs(part))
    lines = [
        " ".join([key, str(of.active), *map(str, of.trusted)]) + "\n"
        for key, of in generations.by_key().items()
        if _SIGN_OF.get(key) in has
    ]
    return NodePart(files=(NodeFile(GENERATIONS, "".join(lines)),))
