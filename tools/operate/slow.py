"""Says that a cluster that is slow need not be broken, after an `up` that failed because a time was over."""

from __future__ import annotations

import re

from tools.operate.failures import errors

_LIMITS = (
    (
        # Messages of Go's HTTP client about a request whose time was over, which the Kubernetes plugin passes on.
        re.compile(r'"https?://[^"]*": .*(context deadline exceeded|Client\.Timeout exceeded)'),
        "the API did not finish an answer in the time that the program waits. If the machines are slow and not broken, "
        "hardway:rollout.apiTimeout gives them more time (32s if it is unset)",
    ),
    (
        # An API server that gave a request up (504): NewTimeoutError in k8s.io/apimachinery/pkg/api/errors.
        re.compile(r"the server was unable to return a response in the time allotted"),
        "an API server gave up a request of the program after the time of its flag --request-timeout. If the machines "
        "are slow and not broken, hardway:extraArgs.kube-apiserver.request-timeout gives it more time (1m if it is "
        "unset), and hardway:rollout.apiTimeout should be as long",
    ),
    (
        # The Kubernetes plugin about a node, and about a Deployment, that were not ready in time.
        re.compile(r"timed out waiting (for the condition|to be Ready)"),
        "a node or the pods of an add-on were not ready in the time that the program waits. If the machines are slow "
        "and not broken, hardway:rollout.healthTimeout gives them more time (5m for a node and 10m for pods if it is "
        "unset)",
    ),
)
"""What an error about an object of the cluster looks like if a time was over, and what gives more time."""


def sentences(events: str, stack: str) -> list[str]:
    """A sentence for each limit of the page that was too short. `events` is the text of the event log of a run."""
    messages = [message for urn, message in errors(events) if "kubernetes:" in urn]
    return [
        f"{sentence}; `make up STACK={stack}` continues"
        for pattern, sentence in _LIMITS
        if any(pattern.search(message) for message in messages)
    ]
