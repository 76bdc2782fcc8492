"""Says that an API that answers slowly need not be broken, after an `up` that failed while it waited for an answer."""

from __future__ import annotations

import re

from tools.operate.failures import errors

# Messages of Go's HTTP client about a request whose time was over, which the Kubernetes plugin passes on.
_TOO_LATE = re.compile(r'"https?://[^"]*": .*(context deadline exceeded|Client\.Timeout exceeded)')


def sentences(events: str, stack: str) -> list[str]:
    """One sentence if an answer of the API came too late, else none. `events` is the text of the event log of a run."""
    late = any(_TOO_LATE.search(message) for urn, message in errors(events) if "kubernetes:" in urn)
    if not late:
        return []
    return [
        "the API did not finish an answer in the time that the program waits. If the machines are slow and not broken, "
        f"hardway:rollout.apiTimeout gives them more time (32s if it is unset); `make up STACK={stack}` continues"
    ]
