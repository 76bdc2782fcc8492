"""The audit policy as a matrix: who does what, and what the log has of it."""

import json
from typing import Any

import pytest

from components.node.render.api_policies import AUDIT

RULES: list[dict[str, Any]] = json.loads(AUDIT)["rules"]
READ, WRITE = ("get", "list", "watch"), ("create", "update", "patch", "delete", "deletecollection")
NODE = ("system:node:worker-1", ("system:nodes", "system:authenticated"))
PERSON = ("alice", ("hardway:developers:development", "system:authenticated"))
POD = ("system:serviceaccount:web:default", ("system:serviceaccounts", "system:authenticated"))
MANAGER = ("system:kube-controller-manager", ("system:authenticated",))
SCHEDULER = ("system:kube-scheduler", ("system:authenticated",))

Subject = tuple[str, tuple[str, ...]]


def level(who: Subject, verb: str, group: str, resource: str) -> str:
    """The level of the first rule that fits a request for a resource, as the API server decides (audit/policy)."""
    user, groups = who
    for rule in RULES:
        if "nonResourceURLs" in rule:
            continue
        named = [
            entry
            for entry in rule.get("resources", ())
            if entry["group"] == group and resource in entry.get("resources", [resource])
        ]
        fits = (
            user in rule.get("users", [user]),
            set(groups) & set(rule.get("userGroups", groups)),
            verb in rule.get("verbs", [verb]),
            named or "resources" not in rule,
        )
        if all(fits):
            return str(rule["level"])
    return "None"


@pytest.mark.parametrize("who", [NODE, PERSON, POD, MANAGER, SCHEDULER], ids=lambda who: who[0])
@pytest.mark.parametrize("verb", [*READ, *WRITE])
@pytest.mark.parametrize("resource", ["secrets", "serviceaccounts/token"])
def test_who_touches_a_secret_is_in_the_log_without_its_content(who: Subject, verb: str, resource: str) -> None:
    assert level(who, verb, "", resource) == "Metadata"


@pytest.mark.parametrize("who", [PERSON, POD], ids=lambda who: who[0])
@pytest.mark.parametrize("group", ["", "events.k8s.io"])
@pytest.mark.parametrize("verb", WRITE)
def test_who_changes_events_is_in_the_log(who: Subject, group: str, verb: str) -> None:
    """A person who removes events removes traces."""
    assert level(who, verb, group, "events") == "Metadata"


@pytest.mark.parametrize("verb", WRITE)
def test_a_person_who_changes_a_lease_is_in_the_log(verb: str) -> None:
    """Who takes the lease of a controller stops the controller."""
    assert level(PERSON, verb, "coordination.k8s.io", "leases") == "Metadata"


@pytest.mark.parametrize("who", [NODE, MANAGER, SCHEDULER], ids=lambda who: who[0])
def test_heartbeats_are_not_in_the_log(who: Subject) -> None:
    for verb in ("get", "create", "update", "patch"):
        assert level(who, verb, "coordination.k8s.io", "leases") == "None"
        assert level(who, verb, "", "events") == "None"


@pytest.mark.parametrize("who", [NODE, SCHEDULER], ids=lambda who: who[0])
def test_the_watches_of_components_are_not_in_the_log(who: Subject) -> None:
    for verb in READ:
        assert level(who, verb, "", "pods") == "None"


@pytest.mark.parametrize("verb", WRITE)
def test_changes_are_in_the_log_with_what_was_sent(verb: str) -> None:
    """RBAC also with the answer."""
    for who in (NODE, PERSON, POD, MANAGER):
        assert level(who, verb, "apps", "deployments") == "Request"
        assert level(who, verb, "rbac.authorization.k8s.io", "roles") == "RequestResponse"
        assert level(who, verb, "", "configmaps") == "Metadata", "configmaps may hold what should be a Secret"
