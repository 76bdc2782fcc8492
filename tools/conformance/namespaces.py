"""The namespaces of a run of upstream's tests."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence

from tools.common.answer import NoAnswerError, answer
from tools.common.progress import say

_LABEL = "e2e-run"
"""The label that the framework of the tests gives to each namespace that it makes."""
_REQUEST_SECONDS = 60
_LIMIT_SECONDS = 300
_PAUSE_SECONDS = 2


def names(kubectl: Sequence[str]) -> set[str]:
    """The namespaces that tests have made and that exist now. Raises NoAnswerError if the API does not answer."""
    found = answer([*kubectl, "get", "namespaces", f"--selector={_LABEL}", "--output=json"], _REQUEST_SECONDS)
    return {item["metadata"]["name"] for item in json.loads(found)["items"]}


def remove(kubectl: Sequence[str], before: Collection[str]) -> set[str]:
    """Remove the namespaces that tests have made since `before`, and wait. Returns those that stay all the same."""
    until = time.monotonic() + _LIMIT_SECONDS
    left: set[str] = set()
    while time.monotonic() < until:
        try:
            left = names(kubectl) - set(before)
            if not left:
                return set()
            answer(
                [*kubectl, "delete", "namespaces", "--wait=false", "--ignore-not-found", *sorted(left)],
                _REQUEST_SECONDS,
            )
        except NoAnswerError as error:
            say(f"namespaces of the tests: {error}")
        time.sleep(_PAUSE_SECONDS)
    return left
