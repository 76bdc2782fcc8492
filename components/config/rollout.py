"""`hardway:rollout`: how changes reach the workers."""

from datetime import timedelta
from typing import Annotated

from components.config.durations import Span
from components.config.section import Section, whole


class Rollout(Section):
    """How changes of a running cluster reach its workers. Members of etcd and control-plane nodes go one by one."""

    max_unavailable: Annotated[int, whole("whole number", 1, 100, "nodes")] = 1
    """How many workers may be changed, and where a change needs that drained, at the same time."""
    drain_timeout: Span = timedelta(minutes=5)
    """How long the pods of a node may take to leave it. After that the run fails and the node takes pods again."""
