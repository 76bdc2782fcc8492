"""`make access`: the page and the cluster agree, and a binding by hand is a difference."""

import json
from typing import Any

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import Answer, ask


def test_the_page_and_the_cluster_agree(cluster: Cluster) -> None:
    """After `up` and all that earlier tests did. Each binding of the cluster is known."""
    answer = _access(cluster)
    found = _facts(answer)
    assert (answer.code, found["differences"]) == (0, []), answer.text
    rights = {(one["subject"], one["role"], one["namespace"]) for one in found["rights"]}
    assert ("hardway:developers:development", "edit", "development") in rights
    assert ("hardway:deployers", "cluster-admin", None) in rights


def test_a_binding_by_hand_is_told(cluster: Cluster) -> None:
    cluster.kubectl("create", "clusterrolebinding", "by-hand", "--clusterrole=cluster-admin", "--user=bob").ok()
    try:
        answer, text = _access(cluster), _access(cluster, as_json=False)
    finally:
        cluster.kubectl("delete", "clusterrolebinding", "by-hand").ok()
    assert answer.code != 0 and text.code != 0
    (difference,) = _facts(answer)["differences"]
    assert "user bob has the role cluster-admin in the whole cluster" in difference
    assert difference in text.stdout


def _access(cluster: Cluster, *, as_json: bool = True) -> Answer:
    command, environment = cluster.stack.starting("access")
    more = ["JSON=1"] if as_json else []
    return ask([*command, *more], cwd=cluster.stack.clone.root, env=environment, timeout=120)


def _facts(answer: Answer) -> Any:
    return json.loads(answer.stdout)
