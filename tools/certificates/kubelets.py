"""Asks the cluster when the client certificates of the kubelets end.

The cluster issues these certificates, and every kubelet renews its own certificate. Therefore the state of Pulumi does
not contain them. A metric of each kubelet shows how long its certificate is still valid. The API server forwards the
request for the metrics to the kubelet.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tools.certificates.rows import Kubelet
from tools.common.answer import NoAnswerError, answer

TIMEOUT_SECONDS = 10
"""The longest time that kubectl waits for an answer."""

# https://github.com/kubernetes/kubernetes/blob/v1.37.1/cmd/kubelet/app/server.go; the metric is ALPHA: if a version
# drops the metric, then the end is unknown.
_METRIC = re.compile(r"^kubelet_certificate_manager_client_ttl_seconds(?:\{[^}\n]*\})? (\S+)", re.MULTILINE)
_AT_ONCE = 8
# The time limit of kubectl begins with its connection. The start of kubectl and the resolution of names take more time.
_GRACE_SECONDS = 10
_WITH_KUBELET = {"control-plane", "worker"}


def with_kubelet(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The nodes that run a kubelet: all nodes with another role than `etcd`. `nodes` is the stack output `nodes`."""
    return [name for name, node in nodes.items() if _WITH_KUBELET & set(node["roles"])]


def ask(nodes: Iterable[str], kubectl: Sequence[str]) -> list[Kubelet]:
    """The answer of the kubelet of each node, in the order of `nodes`. `kubectl` is the command line of the admin."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda node: _ask(node, kubectl), nodes))


def seconds_left(metrics: str) -> float | None:
    """Seconds until the client certificate ends, negative after its end, from the text of a kubelet's metrics.

    None if the text has no such metric, or if the kubelet has no valid client certificate (then the value is +Inf).
    """
    found = _METRIC.search(metrics)
    try:
        seconds = float(found[1]) if found else math.inf
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _ask(node: str, kubectl: Sequence[str]) -> Kubelet:
    command = [*kubectl, "get", "--raw", f"/api/v1/nodes/{quote(node, safe='')}/proxy/metrics"]
    try:
        metrics = answer(command, TIMEOUT_SECONDS + _GRACE_SECONDS)
    except NoAnswerError as error:
        return Kubelet(node, None, "does not answer", str(error))
    seconds = seconds_left(metrics)
    # The real clock, not HARDWAY_NOW: the kubelet counts from the real time.
    ends = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    return Kubelet(node, ends, "answers")
