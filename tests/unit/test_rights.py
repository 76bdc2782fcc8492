"""Which rights lead to more rights, and quantities of resources."""

from fractions import Fraction
from typing import Any

import pytest

from components.config.quantities import parse
from components.rights import BOUNDS, ESCALATING_VERBS, VERBS, WRITE_VERBS, dangers


def found(group: Any, resource: Any, verb: Any, *, whole_cluster: bool) -> list[str]:
    """The dangers of one rule."""
    rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    return list(dangers([rule], whole_cluster=whole_cluster))


@pytest.mark.parametrize("whole_cluster", [True, False])
@pytest.mark.parametrize("verb", WRITE_VERBS)
@pytest.mark.parametrize("resource", [*BOUNDS[""], "namespaces/finalize", "resourcequotas/status"])
def test_what_limits_people_is_for_nobody_to_change(resource: str, verb: str, whole_cluster: bool) -> None:
    assert f"{verb} {resource}" in found("", resource, verb, whole_cluster=whole_cluster)
    # A resource of another group has only the name in common.
    assert not found("example.com", resource, verb, whole_cluster=whole_cluster)


@pytest.mark.parametrize("verb", [*ESCALATING_VERBS, "impersonate:user-info", "impersonate-on:user-info:get"])
def test_verbs_that_take_rights_of_others(verb: str) -> None:
    assert found("anything", "things", verb, whole_cluster=False) == [f"the verb {verb!r}"]


def test_a_namespace_bounds_what_a_cluster_does_not() -> None:
    for group, resource, verb in (("", "secrets", "list"), ("batch", "cronjobs", "patch"), ("", "pods/exec", "create")):
        assert not found(group, resource, verb, whole_cluster=False)
        assert found(group, resource, verb, whole_cluster=True) == [f"{verb} {resource}"]


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "patch", "deletecollection"])
def test_almost_every_verb_reads_secrets_or_makes_bootstrap_tokens(verb: str) -> None:
    """tests/integration/test_people.py shows it with an API server."""
    assert found("", "secrets", verb, whole_cluster=True) == [f"{verb} secrets"]
    assert not found("", "secrets", "delete", whole_cluster=True)
    assert not found("", "secrets", verb, whole_cluster=False)


def test_requests_that_are_approved_at_once_make_their_holder_a_node() -> None:
    group, resource = "certificates.k8s.io", "certificatesigningrequests"
    assert found(group, f"{resource}/nodeclient", "create", whole_cluster=True)
    assert not found(group, f"{resource}/selfnodeclient", "create", whole_cluster=True)
    assert not found(group, resource, "create", whole_cluster=True)


def test_reading_is_no_danger() -> None:
    for resource in ("pods", "pods/log", "configmaps", "resourcequotas", "namespaces", "nodes"):
        for verb in ("get", "list", "watch"):
            assert not found("", resource, verb, whole_cluster=True)
    assert found("", "nodes/proxy", "get", whole_cluster=True)


def test_what_cannot_be_read_is_a_danger() -> None:
    assert list(dangers(["text"], whole_cluster=False)) == ["a rule that cannot be read"]
    for name in ("apiGroups", "resources", "verbs"):
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], name: 5}
        assert list(dangers([rule], whole_cluster=False)) == [f"the wildcard '*' in {name}"]


def test_ordinary_verbs_do_not_escalate() -> None:
    assert not {*VERBS} & {*ESCALATING_VERBS}


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2", 2),
        ("500m", Fraction(1, 2)),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("1.", 1),
        ("+3", 3),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1.5Gi", 3 * 2**29),
        ("2E", 2 * 10**18),
        ("1e3", 1000),
        ("1E-3", Fraction(1, 1000)),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_quantities(text: str, amount: Any) -> None:
    assert parse(text) == amount


@pytest.mark.parametrize(
    "text", ["", "m", "-1", "1 Gi", "1GB", "1K", "1gi", "0x10", "1e", "1,5", "1Gi\n", "NaN", "1e9999"]
)
def test_what_is_no_quantity(text: str) -> None:
    assert parse(text) is None
