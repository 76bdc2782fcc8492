"""Proxies, static tokens and a webhook for tokens with a real API server: who somebody is, and what is refused."""

import time
from collections.abc import Iterator

import pytest
from authorities import make
from logins_world import CACHED_SECONDS, CD, CI, KEPT_SECONDS, SECRETS, VERSIONS, World, logins_world

from components.node.render.authentication import HEALTH_PATHS
from tests.wait import becomes


@pytest.fixture(scope="module", params=VERSIONS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with logins_world(request.param, tmp_path_factory) as made:
        yield made


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
    becomes(lambda: world.rendered.ask("/api/v1/nodes", token=CI)[0], 200, 60, "the binding counts")
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
    becomes(lambda: world.rendered.who(token="leaves"), 401, 60, "the token is refused")
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
    becomes(lambda: world.rendered.who(token="fresh"), ("corp:dave", []), 60, "the service is asked again")


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
