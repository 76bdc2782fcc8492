"""Says that a cluster that is slow need not be broken, after an `up` that failed because a time was over."""

from __future__ import annotations

import re

from tools.operate.failures import errors

# Messages of Go's HTTP client about a request whose time was over, which the Kubernetes plugin passes on.
_TOO_LATE = re.compile(r'"https?://[^"]*": .*(context deadline exceeded|Client\.Timeout exceeded)')


# The message of an API server that gave a request up (504): NewTimeoutError in k8s.io/apimachinery/pkg/api/errors.
_GIVEN_UP = re.compile(r"the server was unable to return a response in the time allotted")
# Messages of the Kubernetes plugin about a node, and about a Deployment, that were not ready in time.
_NOT_READY = re.compile(r"timed out waiting (for the condition|to be Ready)")


def sentences(events: str, stack: str) -> list[str]:
    """A sentence for each limit of the page that was too short. `events` is the text of the event log of a run."""
    messages = [message for urn, message in errors(events) if "kubernetes:" in urn]
    found = []
    if any(_TOO_LATE.search(message) for message in messages):
        found.append(
            "the API did not finish an answer in the time that the program waits. If the machines are slow and not "
            "broken, hardway:rollout.apiTimeout gives them more time (32s if it is unset); "
            f"`make up STACK={stack}` continues"
        )
    if any(_GIVEN_UP.search(message) for message in messages):
        found.append(
            "an API server gave up a request of the program after the time of its flag --request-timeout. If the "
            "machines are slow and not broken, hardway:extraArgs.kube-apiserver.request-timeout gives it more time (1m "
            f"if it is unset), and hardway:rollout.apiTimeout should be as long; `make up STACK={stack}` continues"
        )
    if any(_NOT_READY.search(message) for message in messages):
        found.append(
            "a node or the pods of an add-on were not ready in the time that the program waits. If the machines are "
            "slow and not broken, hardway:rollout.healthTimeout gives them more time (5m for a node and 10m for pods "
            f"if it is unset); `make up STACK={stack}` continues"
        )
    return found
