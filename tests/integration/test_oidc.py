"""Issuers of the page with real API servers: who a token is, what is refused, and what a dead issuer does."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from api_server import ApiServer, api_server, program
from conftest import page_values
from issuer import Issuer, new_key

from components.addons.bindings import binding_name
from components.config import ConfigError, Page, load
from components.node.render.authentication import HEALTH_PATHS, authentication
from components.pki.kubeconfig import Login, by_login

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
FIRST_SECONDS = 30
"""An API server asks an issuer that did not answer again after 10 s."""
EXPRESSION = "'partner:' + claims.sub"
TEAMS = "claims.?teams.orValue([])"


def issuers(staff: Issuer, partner: Issuer, **changes: Any) -> list[dict[str, Any]]:
    """`access.oidc` of the page: an issuer with claims, and one with expressions."""
    return [
        {
            "url": staff.url,
            "audiences": ["kubernetes", "dashboard"],
            "audienceMatchPolicy": "MatchAny",
            "certificateAuthority": staff.web.chain,
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "staff:"},
                "groups": {"claim": "groups", "prefix": "staff:"},
            },
            "claimValidationRules": [{"claim": "tenant", "requiredValue": "example"}],
            "userValidationRules": [{"expression": "user.username != 'staff:mallory'", "message": "not Mallory"}],
            **changes,
        },
        {
            "url": partner.url,
            "audiences": ["kubernetes"],
            "certificateAuthority": partner.web.chain,
            "claimMappings": {
                "username": {"expression": "has(claims.as) ? claims.as : " + EXPRESSION, "prefix": "partner:"},
                "groups": {"expression": TEAMS, "prefix": "partner:"},
            },
        },
    ]


def page_of(*oidc: dict[str, Any], groups: tuple[dict[str, str], ...] = ()) -> Page:
    """A page with these issuers. The roles of groups are not those that the program makes."""
    roles = [{"name": group["role"]} for group in groups]
    return load(page_values("stacked") | {"access": {"oidc": list(oidc), "roles": roles, "groups": list(groups)}})


@dataclass
class Answer:
    """The status of an answer, and its content."""

    status: int
    content: Any


def ask(server: ApiServer, path: str, token: str = "", body: Any = None) -> Answer:
    """The answer to a request with a token and without a certificate."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, content, headers)  # noqa: S310
    context = ssl.create_default_context(cafile=str(server.folder / "web.pem"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=20) as answer:
            text = answer.read()
            return Answer(answer.status, json.loads(text) if text[:1] == b"{" else text)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())


def who(server: ApiServer, token: str) -> Answer:
    """Who the API server takes the holder of a token for: UserInfo, or the status of the refusal."""
    found = ask(server, REVIEW, token, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    return Answer(found.status, found.content["status"]["userInfo"] if found.status == 201 else found.content)


def eventually_accepted(server: ApiServer, token: str) -> float:
    """Wait until a token is accepted, and return how many seconds this took."""
    begun = time.monotonic()
    while who(server, token).status != 201:
        assert time.monotonic() < begun + FIRST_SECONDS, (server.folder / "log").read_text()[-3000:]
        time.sleep(0.5)
    return time.monotonic() - begun


def eventually_ready(server: ApiServer) -> int:
    """The status of /readyz, which is not 200 in the first moments."""
    deadline = time.monotonic() + FIRST_SECONDS
    while (status := ask(server, "/readyz").status) != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    return status


@dataclass
class World:
    """An API server and its issuers. `at_start` are answers from the time when no issuer had been there yet."""

    server: ApiServer
    staff: Issuer
    partner: Issuer
    config: Path
    at_start: dict[str, int]

    def staff_token(self, **claims: Any) -> str:
        """A token that is accepted, but for `claims`."""
        return self.staff.token(**({"tenant": "example"} | claims))


@pytest.fixture(scope="module", params=["1.37.1", pytest.param("1.36.4", marks=pytest.mark.long)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The API server of a version is started before its issuers."""
    folder = tmp_path_factory.mktemp("api")
    staff, partner = Issuer(folder), Issuer(folder)
    config = folder / "authentication.yaml"
    config.write_text(authentication(page_of(*issuers(staff, partner)).access.oidc))
    server = ApiServer(
        folder,
        program("etcd"),
        program("kube-apiserver", request.param),
        flags=(f"--authentication-config={config}",),
    )
    try:
        server.start()
        made = World(server, staff, partner, config, {})
        made.at_start |= {
            "certificate": len(server.ask("GET", "/api/v1/namespaces")["items"]),
            "token": who(server, made.staff_token()).status,
            "readyz": eventually_ready(server),
        }
        staff.start()
        partner.start()
        eventually_accepted(server, made.staff_token())
        eventually_accepted(server, partner.token())
        yield made
    finally:
        for one in (server, staff, partner):
            one.stop()


def test_issuers_that_are_down_lock_nobody_else_out(world: World) -> None:
    """The API server starts, is ready, and knows certificates. It accepts tokens when the issuer is there."""
    namespaces = world.at_start.pop("certificate")
    assert namespaces >= 1
    assert world.at_start == {"token": 401, "readyz": 200}


def test_name_and_groups_arrive(world: World) -> None:
    found = who(world.server, world.staff_token(groups=["platform", "system:masters"])).content
    assert found["username"] == "staff:alice"
    # The prefix makes another group of a group with the name of a group of Kubernetes.
    assert found["groups"] == ["staff:platform", "staff:system:masters", "system:authenticated"]


def test_expressions_give_name_and_groups(world: World) -> None:
    found = who(world.server, world.partner.token(sub="bob", teams=["partner:shop"])).content
    assert (found["username"], found["groups"]) == ("partner:bob", ["partner:shop", "system:authenticated"])
    without = who(world.server, world.partner.token(sub="bob")).content
    assert without["groups"] == ["system:authenticated"]


@pytest.mark.parametrize("audience", ["dashboard", ["other", "dashboard"]])
def test_one_of_several_audiences_is_enough(world: World, audience: Any) -> None:
    assert who(world.server, world.staff_token(aud=audience)).status == 201


@pytest.mark.parametrize(
    "claims",
    [
        {"lives": -60},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"sub": None},
        {"iss": "https://login.example.com"},
        {"tenant": "another"},
        {"tenant": None},
        {"sub": "mallory"},
    ],
    ids=str,
)
def test_tokens_that_are_refused(world: World, claims: dict[str, Any]) -> None:
    assert who(world.server, world.staff_token(**claims)).status == 401


def test_a_foreign_key_and_no_signature_are_refused(world: World) -> None:
    assert who(world.server, world.staff_token(key=new_key())).status == 401
    claims = jwt.decode(world.staff_token(), options={"verify_signature": False})
    assert who(world.server, jwt.encode(claims, None, algorithm="none")).status == 401


def test_an_issuer_cannot_speak_for_another(world: World) -> None:
    """The token of one issuer, signed with the key of the other."""
    assert who(world.server, world.staff_token(key=world.partner.key)).status == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"as": "system:kube-controller-manager"},
        {"as": "staff:alice"},
        {"teams": ["system:masters"]},
        {"teams": ["partner:shop", "hardway:cluster-admins"]},
    ],
    ids=str,
)
def test_an_expression_gives_no_name_outside_of_its_prefix(world: World, claims: dict[str, Any]) -> None:
    assert who(world.server, world.partner.token(**claims)).status == 401


def test_a_group_has_the_role_of_its_binding(world: World) -> None:
    """The role is a part of `view`: there is no controller here that puts `view` together."""
    (bound,) = page_of(
        *issuers(world.staff, world.partner), groups=({"name": "staff:readers", "role": "system:aggregate-to-view"},)
    ).access.groups
    kind = {"apiGroup": "rbac.authorization.k8s.io"}
    world.server.ask(
        "POST",
        BINDINGS,
        {
            "metadata": {"name": binding_name("Group", bound.name, bound.role)},
            "roleRef": {**kind, "kind": "ClusterRole", "name": bound.role},
            "subjects": [{**kind, "kind": "Group", "name": bound.name}],
        },
    )
    pods = "/api/v1/namespaces/kube-system/pods"
    token = world.staff_token(groups=["readers"])
    deadline = time.monotonic() + 10
    while ask(world.server, pods, token).status != 200:
        assert time.monotonic() < deadline, "the binding has no effect"
        time.sleep(0.1)
    assert ask(world.server, "/api/v1/namespaces/kube-system/secrets", token).status == 403
    assert ask(world.server, pods, world.staff_token(sub="bob", groups=["others"])).status == 403


def test_kubectl_uses_the_kubeconfig_for_people(world: World, tmp_path: Path) -> None:
    """With the real kubectl, and with a plugin that prints a token without asking anybody."""
    login = Login("staff", world.staff.url, "kubernetes", ["groups"], world.staff.web.chain)
    (tmp_path / "kubeconfig").write_text(
        by_login(cluster="scratch", server=world.server.url, ca=world.server.web.chain, logins=[login])
    )
    token = world.staff_token(sub="carol", groups=["platform"])
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    (tmp_path / "credential").write_text(json.dumps(credential))
    plugin = tmp_path / "kubectl-oidc_login"
    plugin.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\ncat {tmp_path}/credential\n')
    plugin.chmod(0o755)
    (tmp_path / "kubectl").symlink_to(program("kubectl"))
    found = subprocess.run(
        ["kubectl", "auth", "whoami", "--output=json"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    user = json.loads(found.stdout)["status"]["userInfo"]
    assert (user["username"], user["groups"][0]) == ("staff:carol", "staff:platform")
    words = (tmp_path / "words").read_text().split()
    assert words[:3] == ["get-token", f"--oidc-issuer-url={world.staff.url}", "--oidc-client-id=kubernetes"]


def test_anonymous_requests_are_for_health_only(world: World) -> None:
    """As without issuers."""
    assert [ask(world.server, path).status for path in HEALTH_PATHS] == [200] * 3
    assert [ask(world.server, path).status for path in ("/version", "/api", "/apis", "/metrics")] == [401] * 4


def test_keys_rotate(world: World) -> None:
    """A token with a new key is accepted at once; a token with a key that the issuer withdrew is not."""
    before = world.staff.key
    assert who(world.server, world.staff_token()).status == 201
    world.staff.rotate()
    assert who(world.server, world.staff_token(sub="after")).status == 201
    assert who(world.server, world.staff_token(sub="old", key=before)).status == 401


def test_an_issuer_that_dies_locks_nobody_out(world: World) -> None:
    """Tokens with a key that the API server knows are accepted until they end; certificates are accepted anyway."""
    assert who(world.server, world.staff_token()).status == 201
    world.staff.stop()
    try:
        assert who(world.server, world.staff_token(sub="bob")).status == 201
        assert world.server.ask("GET", "/api/v1/namespaces")["items"]
        assert who(world.server, world.partner.token(sub="carol")).status == 201
    finally:
        world.staff.start()


def test_a_wrong_expression_keeps_an_api_server_from_starting(tmp_path: Path) -> None:
    """The page does not know CEL. The first API server says what is wrong, and its activation is taken back."""
    staff, partner = Issuer(tmp_path), Issuer(tmp_path)
    rules = [{"expression": "claims.groups.exists(g, g = 'x')"}]
    config = tmp_path / "authentication.yaml"
    config.write_text(authentication(page_of(*issuers(staff, partner, claimValidationRules=rules)).access.oidc))
    with (
        pytest.raises(pytest.fail.Exception, match=r"jwt\[0\].claimValidationRules\[0\].expression: Invalid value"),
        api_server(tmp_path, f"--authentication-config={config}"),
    ):
        pass


@pytest.mark.parametrize("shape", ["\n  ", " "], ids=["indented", "one line"])
def test_an_api_server_reads_each_form_of_authorities_that_the_page_accepts(tmp_path: Path, shape: str) -> None:
    """Go finds no certificate in an indented block, and an API server without certificates does not start."""
    issuer = Issuer(tmp_path)
    text = shape + shape.join(issuer.web.chain.splitlines())
    config = tmp_path / "authentication.yaml"
    oidc = page_of(*issuers(issuer, Issuer(tmp_path), certificateAuthority=text)).access.oidc
    config.write_text(authentication(oidc))
    issuer.start()
    try:
        with api_server(tmp_path, f"--authentication-config={config}") as server:
            eventually_accepted(server, issuer.token(tenant="example"))
    finally:
        issuer.stop()


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("url", "https://login.example.com/a%zz", "invalid URL escape"),
        ("url", "https://login.example.com/a\x7f", "invalid control character in URL"),
        ("rule", "claims['email_verified'] == true", "claims.email_verified must be used"),
        ("rule", "true // claims.email_verified", "claims.email_verified must be used"),
    ],
)
def test_the_page_refuses_what_keeps_an_api_server_from_starting(
    tmp_path: Path, key: str, value: str, problem: str
) -> None:
    """The same value, on the page and in the file of an API server."""
    username = {"expression": "'oidc:' + claims.email", "prefix": "oidc:"}
    good = {
        "url": "https://login.example.com",
        "audiences": ["kubernetes"],
        "claimMappings": {"username": username},
        "claimValidationRules": [{"expression": "claims.?email_verified.orValue(true) == true"}],
    }
    bad = good | ({"url": value} if key == "url" else {"claimValidationRules": [{"expression": value}]})
    with pytest.raises(ConfigError):
        page_of(bad)
    document = json.loads(authentication(page_of(good).access.oidc))
    if key == "url":
        document["jwt"][0]["issuer"]["url"] = value
    else:
        document["jwt"][0]["claimValidationRules"][0]["expression"] = value
    config = tmp_path / "authentication.yaml"
    config.write_text(json.dumps(document))
    with pytest.raises(pytest.fail.Exception, match=problem), api_server(tmp_path, f"--authentication-config={config}"):
        pass


def test_a_changed_file_is_adopted_without_a_restart(world: World) -> None:
    """If all issuers answer."""
    changed = page_of(*issuers(world.staff, world.partner, audiences=["other"], audienceMatchPolicy=None))
    world.config.write_text(authentication(changed.access.oidc))
    eventually_accepted(world.server, world.staff_token(aud="other"))
    assert who(world.server, world.staff_token(sub="late")).status == 401


def test_a_changed_file_with_a_dead_issuer_is_not_adopted_without_a_restart(world: World, tmp_path: Path) -> None:
    """Why API servers restart for `access.oidc`: a right that is taken away would stay, and nobody would be told."""
    gone = Issuer(tmp_path)
    world.config.write_text(authentication(page_of(*issuers(gone, world.partner)).access.oidc))
    log, begun = world.server.folder / "log", time.monotonic()
    # The API server has read the file, and waits for the issuer.
    while f"127.0.0.1:{gone.port}" not in log.read_text():
        assert time.monotonic() < begun + FIRST_SECONDS, "the API server has not read the file"
        time.sleep(0.5)
    # This issuer is no longer in the file, and the API server accepts its tokens.
    assert who(world.server, world.staff_token(sub="revoked", aud="other")).status == 201
