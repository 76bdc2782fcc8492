"""`hardway:rollout`: how changes reach the workers."""

from datetime import timedelta
from typing import Annotated

from components.config.durations import Span
from components.config.section import Section, whole


class Rollout(Section):
    """How changes of a running cluster reach its workers. Etcd members and control-plane nodes change one by one."""

    max_unavailable: Annotated[int, whole("whole number", 1, 100, "nodes")] = 1
    """How many workers may change, and be drained if the change needs that, at the same time."""
    drain_timeout: Span = timedelta(minutes=5)
    """How long a drain of a node may take. After that the run fails and the node accepts pods again."""
