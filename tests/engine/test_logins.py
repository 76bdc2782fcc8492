"""Proxies, static tokens and webhooks of the page with a real API server: who somebody is, and what is refused."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from api_server import program
from authorities import make
from people_world import eventually
from rendered_server import Rendered, prepared, rendered_server
from reviewer import Review, Reviewer

from components.node.render.authentication import HEALTH_PATHS
from components.node.render.outside import AUTHORIZATION

CI, CD = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e", "V2hhdCBhIHJhbmRvbSB0b2tlbg-._~+/"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
RBAC = {"apiGroup": "rbac.authorization.k8s.io"}
SECRETS = "/api/v1/namespaces/kube-system/secrets"
PODS = "/api/v1/namespaces/shop/pods"
CACHED_SECONDS = 2
KEPT_SECONDS = 10
"""How long an API server keeps what it knows of any token (TokenSuccessCacheTTL of k8s.io/kubernetes)."""
DOWN_SECONDS = 15
"""The longest time until a request is refused whose service does not answer: five attempts, with pauses of 500 ms and
half as much again (DefaultAuthWebhookRetryBackoff in k8s.io/apiserver/pkg/server/options)."""


@dataclass
class World:
    """An API server, and the two services that it asks."""

    rendered: Rendered
    tokens: Reviewer
    rights: Reviewer
    known: dict[str, Review] = field(default_factory=dict)
    """Users by token, for the service that knows tokens."""

    def decide_token(self, spec: Review) -> Review:
        """The status of a TokenReview."""
        user = self.known.get(spec["token"])
        return {"authenticated": user is not None, **({"user": user} if user else {})}

    def bind(self, name: str, role: str, kind: str, subject: str) -> None:
        """Give a role in the whole cluster."""
        self.rendered.server.ask(
            "POST",
            BINDINGS,
            {
                "metadata": {"name": name},
                "roleRef": {**RBAC, "kind": "ClusterRole", "name": role},
                "subjects": [{**RBAC, "kind": kind, "name": subject}],
            },
        )


def allow_bob(spec: Review) -> Review:
    """The status of a SubjectAccessReview: `corp:bob` may list pods."""
    resource = spec.get("resourceAttributes", {})
    return {"allowed": spec["user"] == "corp:bob" and resource.get("resource") == "pods"}


@pytest.fixture(
    scope="module",
    params=["1.37.1 NoOpinion", "1.37.1 Deny", pytest.param("1.36.4 NoOpinion", marks=pytest.mark.long)],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The server of a version, with the behaviour if the service for authorization does not answer."""
    version, policy = request.param.split()
    folder = tmp_path_factory.mktemp("api")
    rendered = prepared(folder, version)
    tokens = Reviewer(folder, rendered.server.clients, lambda spec: made.decide_token(spec))
    rights = Reviewer(folder, rendered.server.clients, allow_bob)
    made = World(rendered, tokens, rights)
    access = {
        "access.proxy": {
            "names": ["login"],
            "prefix": "sso:",
            "usernameHeaders": ["X-Forwarded-User"],
            "groupHeaders": ["X-Forwarded-Groups"],
        },
        "access.tokens": [{"name": "ci", "groups": ["robots", "builders"], "token": CI}, {"name": "cd", "token": CD}],
        "access.tokenWebhook": tokens.on_page(prefix="corp:", cacheTtl=f"{CACHED_SECONDS}s"),
        "access.authorizationWebhook": rights.on_page(
            failurePolicy=policy, timeout="1s", authorizedTtl="1s", unauthorizedTtl="1s"
        ),
    }
    try:
        tokens.start()
        rights.start()
        with rendered_server(rendered, access):
            made.bind("admins", "cluster-admin", "Group", "hardway:cluster-admins")
            made.bind("robots", "system:node-proxier", "Group", "robots")
            yield made
    finally:
        tokens.stop()
        rights.stop()


# --- the authenticating proxy ---


def headers(user: str, group: str = "", beginning: str = "X-Remote") -> dict[str, str]:
    """What a proxy sends."""
    return {f"{beginning}-User": user, **({f"{beginning}-Group": group} if group else {})}


def test_a_proxy_says_who_asks(world: World) -> None:
    proxy = world.rendered.of_front("hardway:proxy:login")
    assert world.rendered.who(pair=proxy, headers=headers("sso:eve", "sso:staff")) == ("sso:eve", ["sso:staff"])
    own = {"X-Forwarded-User": "sso:eve", "X-Forwarded-Groups": "sso:staff"}
    assert world.rendered.who(pair=proxy, headers=own) == ("sso:eve", ["sso:staff"])


def test_a_proxy_without_headers_is_nobody(world: World) -> None:
    """Its certificate is one of another authority than those of users."""
    assert world.rendered.who(pair=world.rendered.of_front("hardway:proxy:login")) == 401


@pytest.mark.parametrize("name", ["hardway:proxy:other", "login", "admin", "hardway:proxy:login "])
def test_no_other_client_of_the_authority_is_believed(world: World, name: str) -> None:
    assert world.rendered.who(pair=world.rendered.of_front(name), headers=headers("sso:eve")) == 401


def test_the_name_of_a_proxy_counts_with_its_authority_only(world: World) -> None:
    """A certificate of the API's authority, which nobody gets with this name, is that of a user without rights."""
    pair = world.rendered.client("CN=hardway:proxy:login")
    assert world.rendered.who(pair=pair, headers=headers("sso:eve")) == ("hardway:proxy:login", [])
    assert world.rendered.who(pair=make("CN=hardway:proxy:login"), headers=headers("sso:eve")) == 401


def test_headers_of_others_mean_nothing(world: World) -> None:
    both = headers("system:admin", "system:masters") | {"X-Forwarded-User": "system:admin"}
    assert world.rendered.who(token=CD, headers=both) == ("cd", [])
    assert world.rendered.who(headers=both) == 401


def test_api_servers_still_speak_to_aggregated_apis(world: World) -> None:
    """Their own certificate is believed, and aggregated APIs read whom to believe in this ConfigMap."""
    pair = world.rendered.of_front("front-proxy-client")
    assert world.rendered.who(pair=pair, headers=headers("alice", "team")) == ("alice", ["team"])
    published = world.rendered.server.ask(
        "GET", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    )["data"]
    assert published["requestheader-allowed-names"] == '["front-proxy-client","hardway:proxy:login"]'
    assert published["requestheader-username-headers"] == '["X-Remote-User","X-Forwarded-User"]'


def test_why_the_key_of_a_proxy_is_that_of_an_administrator(world: World) -> None:
    """docs/access.md says that Kubernetes cannot keep a proxy from claiming system:masters. If it ever can, say so."""
    proxy = world.rendered.of_front("hardway:proxy:login")
    claimed = headers("anybody", "system:masters")
    assert world.rendered.ask(SECRETS, pair=proxy, headers=claimed)[0] == 200


# --- static tokens ---


def test_a_token_is_its_user(world: World) -> None:
    assert world.rendered.who(token=CI) == ("ci", ["builders", "robots"])
    assert world.rendered.who(token=CD) == ("cd", [])


def test_a_group_of_a_token_has_its_role(world: World) -> None:
    eventually(lambda: world.rendered.ask("/api/v1/nodes", token=CI)[0] == 200, "the binding counts")
    assert world.rendered.ask("/api/v1/nodes", token=CD)[0] == 403
    assert world.rendered.ask(SECRETS, token=CI)[0] == 403


@pytest.mark.parametrize("token", [CI[:-1], CI.upper(), f"{CI},ci", "ci", f"{CI}{CD}"])
def test_a_wrong_token_is_nobody(world: World, token: str) -> None:
    assert world.rendered.who(token=token) == 401


def test_no_token_is_in_a_log(world: World) -> None:
    world.rendered.who(token=CI)
    text = (world.rendered.server.folder / "log").read_text()
    assert CI not in text and CD not in text


# --- the webhook for tokens ---


def test_the_service_says_who_has_a_token(world: World) -> None:
    world.known["good"] = {"username": "corp:bob", "uid": "7", "groups": ["corp:staff"]}
    assert world.rendered.who(token="good") == ("corp:bob", ["corp:staff"])
    assert world.rendered.who(token="bad") == 401
    assert {review["apiVersion"] for review in world.tokens.asked} == {"authentication.k8s.io/v1"}
    assert world.tokens.names == {"kube-apiserver-webhook-client"}


def test_an_answer_is_kept_as_long_as_the_page_says(world: World) -> None:
    world.known["leaves"] = {"username": "corp:carol"}
    assert world.rendered.who(token="leaves")[0] == "corp:carol"
    del world.known["leaves"]
    begun = time.monotonic()
    eventually(lambda: world.rendered.who(token="leaves") == 401, "the token is refused")
    assert time.monotonic() < begun + CACHED_SECONDS + KEPT_SECONDS + 3


def test_a_service_that_is_down_locks_nobody_else_out(world: World) -> None:
    world.known["fresh"] = {"username": "corp:dave"}
    world.tokens.stop()
    try:
        assert world.rendered.who(token="fresh") == 401
        assert world.rendered.who(token=CI)[0] == "ci"
        assert world.rendered.who(pair=world.rendered.client("O=team,CN=alice")) == ("alice", ["team"])
        assert world.rendered.ask(HEALTH_PATHS[0])[0] != 401
    finally:
        world.tokens.start()
    eventually(lambda: world.rendered.who(token="fresh") == ("corp:dave", []), "the service is asked again")


def test_a_service_with_another_certificate_is_not_believed(world: World) -> None:
    own, world.tokens.web = world.tokens.web, make("CN=Web CA")
    world.known["stolen"] = {"username": "corp:eve"}
    world.tokens.stop()
    world.tokens.start()
    try:
        assert world.rendered.who(token="stolen") == 401
    finally:
        world.tokens.web = own
        world.tokens.stop()
        world.tokens.start()


def test_why_the_service_for_tokens_is_trusted_like_an_administrator(world: World) -> None:
    """docs/access.md says that nothing keeps the service from naming the group of all rights."""
    world.known["all"] = {"username": "corp:eve", "groups": ["system:masters"]}
    assert world.rendered.ask(SECRETS, token="all")[0] == 200


# --- the webhook for authorization ---


@pytest.fixture
def bob(world: World) -> dict[str, Any]:
    """A person whom the service allows to list pods."""
    world.known["bob"] = {"username": "corp:bob", "groups": ["corp:staff"]}
    return {"token": "bob"}


def test_the_service_allows_what_no_role_allows(world: World, bob: dict[str, Any]) -> None:
    assert world.rendered.ask(PODS, **bob)[0] == 200
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
        # The answer before is kept for a second.
        eventually(lambda: made.ask(PODS, **bob)[0] == 500, "the service is needed")
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
    eventually(lambda: made.ask(PODS, **bob)[0] == 200, "the service is asked again")


def test_the_service_takes_nothing_away(world: World, bob: dict[str, Any]) -> None:
    """What a role allows is allowed before the service is asked, also if the service would deny it."""
    world.bind("bob", "system:node-proxier", "User", "corp:bob")
    world.rights.decide = lambda spec: {"allowed": False, "denied": True}
    try:
        eventually(lambda: world.rendered.ask("/api/v1/nodes", **bob)[0] == 200, "the binding counts")
        assert world.rendered.ask(SECRETS, **bob)[0] == 403
    finally:
        world.rights.decide = allow_bob


def test_a_wrong_condition_keeps_an_api_server_from_starting(tmp_path: Any) -> None:
    """The page does not know CEL. The first API server says what is wrong, and its activation is taken back."""
    rendered = prepared(tmp_path)
    rights = Reviewer(tmp_path, rendered.server.clients, allow_bob)
    page = {"access.authorizationWebhook": rights.on_page(matchConditions=["request.user = 'x'"])}
    with (
        pytest.raises(pytest.fail.Exception, match=r"matchConditions\[7\]\.expression: Invalid value"),
        rendered_server(rendered, page),
    ):
        pass
    assert (tmp_path / AUTHORIZATION).exists() and program("kube-apiserver")
