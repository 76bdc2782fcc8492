"""Which hosts an earlier inspection found fit, and what their findings count then. Standard library only.

A host that runs its release is not made unfit by another host that is added: a full or dead worker must not stop a
change of other hosts. If nothing changes for a host, then its findings are notes. If the run needs that host after all,
then the `stage` command names it, before anything is active.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping

OF_OTHERS = "PEERS"
"""The need of a host that also changes when another host is added."""


def digest_of(host: str, host_key: str, needs: Mapping[str, str]) -> str:
    """What an inspection of a host depends on, without the other hosts."""
    own = {key: value for key, value in needs.items() if key != OF_OTHERS}
    return hashlib.sha256(json.dumps([host, host_key, own], sort_keys=True).encode()).hexdigest()


def record(digests: Mapping[str, str]) -> str:
    """One line for the next inspection."""
    return json.dumps({"inspected": digests}, sort_keys=True)


def unchanged(digests: Mapping[str, str], earlier: str) -> frozenset[str]:
    """The names of hosts whose digest is the one that an earlier inspection has recorded in the text `earlier`."""
    recorded: dict[str, str] = {}
    for line in earlier.splitlines():
        if line.startswith('{"inspected": '):
            recorded = json.loads(line)["inspected"]
    return frozenset(name for name, digest in digests.items() if recorded.get(name) == digest)


def without_unreached(lines: Collection[str], addresses: Collection[str]) -> tuple[str, ...]:
    """The findings of a host without those about peers at these addresses, which do not answer anybody."""
    return tuple(line for line in lines if not line.startswith(tuple(f"cannot reach {a}:" for a in addresses)))
