"""Says why an `up` failed: machines that did not answer, missing rights, a slow API, pods that are not ready."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate import not_ready, revoked, slow, unreachable

if TYPE_CHECKING:
    from tools.operate.stack import Stack


def explain(stack: Stack, events: str) -> None:
    """Prints one sentence for each cause that is found. `events` is the text of the event log of the failed run."""
    for finder in (unreachable, revoked, slow):
        for sentence in finder.sentences(events, stack.name):
            say(sentence)
    if not not_ready.waited_for_pods(events):
        return
    # The API may answer although the run failed.
    with contextlib.suppress(ToolError):
        path = stack.write_kubeconfig()
        if (found := not_ready.sentences(stack)) is not None:
            for sentence in found:
                say(sentence)
            say(f"the API answers; its kubeconfig is {path}")
            say(f'to look further: eval "$(make -s env STACK={stack.name})" && kubectl get events --all-namespaces')
