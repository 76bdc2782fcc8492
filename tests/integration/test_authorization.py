"""The webhook for authorization with a real API server: what it gives, and that nobody of the cluster needs it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logins_world import DOWN_SECONDS, PODS, SECRETS, VERSIONS, World, allow_bob, logins_world
from rendered_server import prepared, rendered_server
from reviewer import Reviewer

from components.node.render.authentication import HEALTH_PATHS
from tests.wait import becomes


@pytest.fixture(scope="module", params=VERSIONS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with logins_world(request.param, tmp_path_factory) as made:
        yield made


@pytest.fixture
def bob(world: World) -> dict[str, Any]:
    """A person whom the service allows to list pods."""
    world.known["bob"] = {"username": "corp:bob", "groups": ["corp:staff"]}
    return {"token": "bob"}


def test_the_service_allows_what_no_role_allows(world: World, bob: dict[str, Any]) -> None:
    # On a busy host, the first answer may take longer than an API server waits.
    becomes(lambda: world.rendered.ask(PODS, **bob)[0], 200, 60, "the service answers")
    status, refusal = world.rendered.ask(SECRETS, **bob)
    assert status == 403 and 'User "corp:bob" cannot list' in refusal["message"]
    assert {review["apiVersion"] for review in world.rights.asked} == {"authorization.k8s.io/v1"}
    assert world.rights.names == {"kube-apiserver-webhook-client"}


COMPONENTS = {
    "admin": "O=hardway:cluster-admins,CN=hardway:admin",
    "program": "O=hardway:deployers,CN=hardway:deployer",
    "scheduler": "CN=system:kube-scheduler",
    "controller-manager": "CN=system:kube-controller-manager",
    "kube-proxy": "O=system:node-proxier,CN=system:kube-proxy",
    "node": "O=system:nodes,CN=system:node:n1",
}
"""Who is never asked about, by certificate."""
REFUSED = "/apis/example.com/v1/namespaces/shop/widgets"


@pytest.mark.parametrize("who", [name for name in COMPONENTS if name != "admin"])
def test_the_service_is_not_asked_about_the_cluster_itself(world: World, who: str) -> None:
    """Also if neither Node nor RBAC allows the request: the service cannot give a component more rights."""
    before = len(world.rights.asked)
    assert world.rendered.ask(REFUSED, method="DELETE", pair=world.rendered.client(COMPONENTS[who]))[0] == 403
    assert len(world.rights.asked) == before


def test_nobody_of_the_cluster_is_locked_out_while_the_service_is_down(world: World, bob: dict[str, Any]) -> None:
    """The administrator and components work, and a refusal of theirs does not wait for the service."""
    world.rights.stop()
    made = world.rendered
    try:
        # The answers before, also of other tests, are kept for a second.
        for path in (PODS, SECRETS):
            becomes(lambda path=path: made.ask(path, **bob)[0], 500, 60, "the service is needed")  # type: ignore[misc]
        begun = time.monotonic()
        assert made.ask(SECRETS, **bob)[0] == 500
        assert time.monotonic() < begun + DOWN_SECONDS
        admin, node = (made.client(COMPONENTS[name]) for name in ("admin", "node"))
        begun = time.monotonic()
        assert made.ask(SECRETS, pair=admin)[0] == 200
        body = {"metadata": {"name": "n1"}}
        assert made.ask("/api/v1/nodes", pair=node, method="POST", body=body)[0] in (201, 409)
        assert made.ask("/api/v1/nodes/n1", pair=node)[0] == 200
        lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
        assert made.ask(f"{lease}/kube-scheduler", pair=made.client(COMPONENTS["scheduler"]))[0] == 404
        for who in ("scheduler", "controller-manager", "kube-proxy", "node"):
            assert made.ask(REFUSED, method="DELETE", pair=made.client(COMPONENTS[who]))[0] == 403
        assert time.monotonic() < begun + 5, "a component waited for the service"
        assert [made.ask(path)[0] for path in HEALTH_PATHS] == [200] * 3
    finally:
        world.rights.start()
    becomes(lambda: made.ask(PODS, **bob)[0], 200, 60, "the service is asked again")


def test_the_service_takes_nothing_away(world: World, bob: dict[str, Any]) -> None:
    """What a role allows is allowed before the service is asked, also if the service would deny it."""
    world.bind("bob", "system:node-proxier", "User", "corp:bob")
    world.rights.decide = lambda spec: {"allowed": False, "denied": True}
    try:
        becomes(lambda: world.rendered.ask("/api/v1/nodes", **bob)[0], 200, 60, "the binding counts")
        assert world.rendered.ask(SECRETS, **bob)[0] == 403
    finally:
        world.rights.decide = allow_bob


@pytest.mark.parametrize("policy", ["NoOpinion", "Deny"])
def test_a_condition_that_fails_counts_as_no_answer(tmp_path: Path, policy: str) -> None:
    """docs/access.md says so: a request for a path has no resource. Hardway's own conditions come first."""
    rendered = prepared(tmp_path)
    rights = Reviewer(tmp_path, rendered.server.clients, allow_bob)
    unguarded = ["request.resourceAttributes.namespace == 'shop'"]
    page = {"access.authorizationWebhook": rights.on_page(matchConditions=unguarded, failurePolicy=policy)}
    with rendered_server(rendered, page) as made:
        person, component = made.client("CN=carol"), made.client(COMPONENTS["scheduler"])
        assert made.ask("/metrics", pair=person)[0] == 500
        assert made.ask("/metrics", pair=component)[0] == 403
        assert made.ask(SECRETS, pair=person)[0] == 403
    assert not rights.asked


def test_a_wrong_condition_keeps_an_api_server_from_starting(tmp_path: Path) -> None:
    """The page does not know CEL. The first API server says what is wrong, and its activation is taken back."""
    rendered = prepared(tmp_path)
    rights = Reviewer(tmp_path, rendered.server.clients, allow_bob)
    page = {"access.authorizationWebhook": rights.on_page(matchConditions=["request.user = 'x'"])}
    with (
        pytest.raises(pytest.fail.Exception, match=r"matchConditions\[7\]\.expression: Invalid value"),
        rendered_server(rendered, page),
    ):
        pass
