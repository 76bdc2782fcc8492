"""`hardway:rollout`: how changes reach the machines, and how long the program waits for them."""

from datetime import timedelta
from typing import Annotated

from components.config.durations import Span, span_rule
from components.config.section import Section, whole

HEALTH = timedelta(minutes=5)
"""The limit that apply.sh, settle.sh and kubelet_renew.sh have by themselves."""
ANSWER = timedelta(seconds=2)
API = timedelta(seconds=32)
"""The limit that the Kubernetes provider has by itself."""


class Rollout(Section):
    """How changes of a running cluster reach its machines. Etcd members and control-plane nodes change one by one."""

    max_unavailable: Annotated[int, whole("whole number", 1, 100, "nodes")] = 1
    """How many workers may change, and be drained if the change needs that, at the same time."""
    drain_timeout: Span = timedelta(minutes=5)
    """How long a drain of a node may take. After that the run fails and the node accepts pods again."""
    health_timeout: Annotated[timedelta, span_rule("30s", "5m or 20m", "s, m or h")] = HEALTH
    """How long all programs of a node may take to become healthy. After that the node goes back to the release before,
    and the run fails. Slow machines need more, at the latest when messages say so."""
    answer_timeout: Span = ANSWER
    """How long a program may take to answer one question about its health."""
    api_timeout: Span = API
    """How long the API may take for one answer to this program. The first answer, its schema, is large."""
