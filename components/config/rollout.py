"""`hardway:rollout`: how changes reach the machines, and how long the program waits for them."""

import re
from datetime import timedelta
from typing import Annotated

from components.config.durations import Span, span_rule
from components.config.section import Rule, Section

HEALTH = timedelta(minutes=5)
"""The limit that apply.sh, settle.sh and kubelet_renew.sh have by themselves."""
ANSWER = timedelta(seconds=2)
API = timedelta(seconds=32)
"""The limit that the Kubernetes provider has by itself."""

_MOST = 100
_PER_CENT = re.compile(r"(0|[1-9][0-9]{0,8})%")


def _count_or_share(value: int | str) -> str | None:
    if isinstance(value, int):
        return None if 1 <= value <= _MOST else f"is not between 1 and {_MOST}"
    found = _PER_CENT.fullmatch(value)
    if found is None:
        return "is not a whole number or a per cent"
    return None if 1 <= int(found[1]) <= 100 else "is not between 1% and 100%"


CountOrShare = Annotated[
    int | str,
    Rule(
        "whole number or per cent",
        f"1 to {_MOST} nodes, or a whole per cent of the workers, such as 10%, 1% to 100%",
        _count_or_share,
        accepts=(int, str),
        unit="nodes or %",
    ),
]


class Rollout(Section):
    """How changes of a running cluster reach its machines. Etcd members and control-plane nodes change one by one."""

    max_unavailable: CountOrShare = 1
    """How many workers may change, and be drained if the change needs that, at the same time: a number, or a per cent
    of all workers, rounded down, and one at least."""
    drain_timeout: Span = timedelta(minutes=5)
    """How long a drain of a node may take. After that the run fails and the node accepts pods again."""
    health_timeout: Annotated[timedelta, span_rule("30s", "5m or 20m", "s, m or h")] = HEALTH
    """How long all programs of a node may take to become healthy. After that the node goes back to the release before,
    and the run fails. A new node may take as long until it is Ready, and the pods of an add-on may take 10m or as long,
    whichever is longer. Slow machines need more, at the latest when messages say so."""
    answer_timeout: Span = ANSWER
    """How long a program may take to answer one question about its health. Proxies on nodes ask as rarely, if that is
    longer than 2s: a server that stops then gets requests for as long."""
    api_timeout: Span = API
    """How long the API may take for one answer to this program. The first answer, its schema, is large."""

    def at_once(self, workers: int) -> int:
        """How many of `workers` may change at the same time.

        A per cent is rounded down, as `maxUnavailable` of a Deployment is
        (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable). With none, no worker
        could ever change, so there is one at least.
        """
        if isinstance(self.max_unavailable, int):
            return self.max_unavailable
        return max(1, workers * int(self.max_unavailable.removesuffix("%")) // 100)
