"""`make access`: the page and the cluster agree, and a binding by hand is a difference."""

import json
from typing import Any

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import Answer, ask

BY_HAND = "by-hand"


def test_the_page_and_the_cluster_agree(cluster: Cluster) -> None:
    """After `up` and all that earlier tests did. Each binding of the cluster is known."""
    # A run that was interrupted may have left it in a stack that stays (HARDWAY_E2E_KEEP).
    _delete(cluster)
    answer = _access(cluster)
    found = _facts(answer)
    assert (answer.code, found["differences"]) == (0, []), answer.text
    rights = {(one["subject"], one["role"], one["namespace"]) for one in found["rights"]}
    assert ("hardway:developers:development", "edit", "development") in rights
    assert ("hardway:deployers", "cluster-admin", None) in rights


def test_a_binding_by_hand_is_told(cluster: Cluster) -> None:
    try:
        cluster.kubectl("create", "clusterrolebinding", BY_HAND, "--clusterrole=cluster-admin", "--user=bob").ok()
        answer, text = _access(cluster), _access(cluster, as_json=False)
    finally:
        _delete(cluster)
    assert answer.code != 0 and text.code != 0, answer.text + text.text
    (difference,) = _facts(answer)["differences"]
    assert "user bob has the role cluster-admin in the whole cluster" in difference
    assert f"`kubectl delete clusterrolebinding {BY_HAND}`" in difference
    assert difference in text.stdout


def _delete(cluster: Cluster) -> None:
    cluster.kubectl("delete", "clusterrolebinding", BY_HAND, "--ignore-not-found").ok()


def _access(cluster: Cluster, *, as_json: bool = True) -> Answer:
    command, environment = cluster.stack.starting("access")
    more = ["JSON=1"] if as_json else []
    return ask([*command, *more], cwd=cluster.stack.clone.root, env=environment, timeout=120)


def _facts(answer: Answer) -> Any:
    assert answer.stdout, answer.text
    return json.loads(answer.stdout)
