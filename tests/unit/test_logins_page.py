"""Ways to log in on the page: what is accepted, what messages show, and what API servers get."""

import json
from typing import Any

import pytest
from authorities import make
from clusters import Cluster, cluster
from conftest import Values, changed, page_values

from components.config import ConfigError, load
from components.config.authorization import MOST_CONDITIONS
from components.node.model import NodeFile, NodePart, Ref
from components.node.release import unit_flags
from components.node.render.control_plane import TOKENS, api_server
from components.node.render.outside import AUTHORIZATION, AUTHORIZATION_WEBHOOK, TOKEN_WEBHOOK
from components.pki.kubeconfig import by_service
from components.pki.leaves import plan_leaves
from components.pki.names import STATIC_TOKENS
from components.pki.static_tokens import tokens_file

ONE, TWO = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e", "0123456789abcdef0123456789abcdef"
CI = {"name": "ci", "token": ONE}
NAMES = {"username": {"claim": "sub", "prefix": "oidc:"}, "groups": {"claim": "groups", "prefix": "oidc:"}}
OIDC = [{"url": "https://login.example.com", "audiences": ["kubernetes"], "claimMappings": NAMES}]
SERVICE = {"url": "https://hooks.example.com/ask", "certificateAuthority": make("CN=Web CA").chain}
PROXY = {"names": ["login", "gate"], "prefix": "sso:", "usernameHeaders": ["X-Forwarded-User"]}


def refusal(secret: tuple[str, ...] = ("access",), **access: Any) -> list[str]:
    """The lines of the error about a page."""
    with pytest.raises(ConfigError) as caught:
        load(changed(page_values("stacked"), {f"access.{key}": value for key, value in access.items()}), secret)
    return str(caught.value).splitlines()


def given(**access: Any) -> Cluster:
    """A cluster with these keys of `access`."""
    return cluster("stacked", {f"access.{key}": value for key, value in access.items()}, secret=("access",))


def of_api_server(made: Cluster) -> tuple[NodePart, dict[str, str]]:
    """What an API server gets, and its flags."""
    part = api_server(made.page, made.topology, made.topology.node("cp-1"))
    return part, unit_flags(part.units[0].text)


@pytest.mark.parametrize(
    ("tokens", "line"),
    [
        ([CI, {**CI, "token": TWO}], "access.tokens[1].name: 'ci' is also the name of access.tokens[0]"),
        ([CI, {**CI, "name": "cd"}], "access.tokens[1].token: the value is also the token of access.tokens[0]"),
        ([{**CI, "name": "developer"}], "access.tokens[0].name: 'developer' is also the name of access.developers[0]"),
        ([{**CI, "name": "admin"}], "access.tokens[0].name: 'admin' is a user of the cluster itself"),
        (
            [{**CI, "name": "kube-apiserver-kubelet-client"}],
            "access.tokens[0].name: 'kube-apiserver-kubelet-client' is a user of the cluster itself",
        ),
        (
            [{**CI, "name": "oidc:bob"}],
            "access.tokens[0].name: 'oidc:bob' begins with the prefix 'oidc:' of access.oidc[0].claimMappings.username",
        ),
        (
            [{**CI, "groups": ["oidc:platform"]}],
            "access.tokens[0].groups[0]: 'oidc:platform' begins with the prefix 'oidc:' of access.oidc[0]",
        ),
        (
            [{**CI, "groups": ["sso:platform"]}],
            "access.tokens[0].groups[0]: 'sso:platform' begins with the prefix 'sso:' of access.proxy.prefix",
        ),
        ([{**CI, "groups": ["robots", "robots"]}], "access.tokens[0].groups[1]: 'robots' is also groups[0]"),
    ],
)
def test_a_user_comes_from_one_place(tokens: Any, line: str) -> None:
    developers = [{"name": "developer", "namespace": "development"}]
    (found,) = refusal(tokens=tokens, oidc=OIDC, proxy=PROXY, developers=developers)
    assert found.startswith(f"hardway:{line}"), found
    assert ONE not in found and TWO not in found


def test_a_token_in_plain_text_is_refused() -> None:
    (found,) = refusal(secret=(), tokens=[CI])
    assert found.startswith("hardway:access.tokens[0].token: the value is on the page in plain text, so whoever reads ")
    assert "pulumi config set --secret --path 'hardway:access.tokens[0].token'" in found and ONE not in found


def test_a_token_hides_no_other_value_of_the_key() -> None:
    """Pulumi says only that there is a secret somewhere in `access`."""
    assert refusal(tokens=[CI], groups=[{"name": "platform", "role": "view"}]) == [
        "hardway:access.groups[0].name: no issuer gives the group 'platform'; allowed: no groups, or an issuer in "
        "access.oidc with claimMappings.groups"
    ]
    assert refusal(tokens=[CI], developers=[{"name": "Alice", "namespace": "a"}])[0].startswith(
        "hardway:access.developers[0].name: 'Alice' is not a developer name"
    )


def test_a_token_hides_no_key_that_is_missing_or_unknown() -> None:
    """The example of docs/access.md has no token. If another user has one, then Pulumi calls all of `access` secret."""
    assert refusal(tokens=[CI, {"name": "cd"}])[0].startswith("hardway:access.tokens[1].token: is missing; allowed: a ")
    (line,) = refusal(tokens=[CI], proxy={**PROXY, "prefx": "sso:"})
    assert line.startswith("hardway:access.proxy.prefx: 'prefx' is not a known key; allowed: names, prefix, ")
    (line,) = refusal(tokens=[CI], tokenWebhook={**SERVICE})
    assert line.startswith("hardway:access.tokenWebhook.prefix: is missing; allowed: ")


@pytest.mark.parametrize("token", ["short-secret", "correct horse battery staple", "a" * 64, ONE + ",x", ONE[:31]])
def test_no_message_has_a_token(token: str) -> None:
    (found,) = refusal(tokens=[{**CI, "token": token}])
    assert found.startswith("hardway:access.tokens[0].token: the value ") and token not in found
    for wrong in (token, [token], {"ci": token}, [{"name": "ci", "tokn": token}]):
        assert token not in "\n".join(refusal(tokens=wrong))


@pytest.mark.parametrize(
    ("tokens", "line"),
    [
        ([ONE], "access.tokens[0]: the value is not a mapping; allowed: a mapping with name, groups, token"),
        (ONE, "access.tokens: the value is not a list; allowed: a list"),
    ],
)
def test_a_token_in_plain_text_in_a_wrong_place_is_not_shown(tokens: Any, line: str) -> None:
    assert refusal(secret=(), tokens=tokens) == [f"hardway:{line}"]


def test_users_and_groups_of_each_way_may_have_roles() -> None:
    tokens = [{**CI, "groups": ["robots"]}]
    named = ["sso:eve", "corp:bob", "ci"]
    groups = ["sso:staff", "corp:staff", "robots"]
    made = given(
        proxy=PROXY,
        tokenWebhook={**SERVICE, "prefix": "corp:"},
        tokens=tokens,
        users=[{"name": name, "role": "view"} for name in named],
        groups=[{"name": name, "role": "view"} for name in groups],
    )
    assert [one.name for one in made.page.access.groups] == groups
    (line,) = refusal(proxy=PROXY, tokens=tokens, groups=[{"name": "staff", "role": "view"}])
    assert line.endswith(
        "allowed: a name that begins with 'sso:', the prefixes of groups in access.proxy, or one of "
        "access.tokens[].groups"
    )


@pytest.mark.parametrize("key", ["proxy", "tokenWebhook"])
@pytest.mark.parametrize("prefix", ["oidc:", "oidc:a/"])
def test_no_two_places_give_the_same_name(key: str, prefix: str) -> None:
    own: Values = {"proxy": {**PROXY, "prefix": prefix}, "tokenWebhook": {**SERVICE, "prefix": prefix}}
    (line,) = refusal(oidc=OIDC, **{key: own[key]})
    assert line.startswith(f"hardway:access.{key}.prefix: {prefix!r} and the prefix 'oidc:' of access.oidc[0].")
    assert any("access.tokenWebhook.prefix" in line for line in refusal(**own))


def test_a_service_with_a_leaf_for_an_authority_is_refused() -> None:
    leaf = make("CN=web", make("CN=Web CA"), authority=False, signs=False)
    (line,) = refusal(authorizationWebhook={**SERVICE, "certificateAuthority": leaf.chain.partition("-----END")[0]})
    assert "access.authorizationWebhook.certificateAuthority: the text has no block CERTIFICATE" in line
    lines = refusal(authorizationWebhook={**SERVICE, "certificateAuthority": leaf.chain})
    assert "'CN=web' is not that of an authority" in lines[0]


def test_a_condition_of_hardway_comes_once() -> None:
    """API servers refuse the same expression twice."""
    same = "!request.user.startsWith('system:')"
    made = given(authorizationWebhook={**SERVICE, "matchConditions": [same, "true"]})
    (file,) = (file for file in of_api_server(made)[0].files if file.path == AUTHORIZATION)
    webhook = json.loads(str(file.content))["authorizers"][2]["webhook"]
    expressions = [one["expression"] for one in webhook["matchConditions"]]
    assert len(expressions) == len({*expressions}) and expressions[-1] == "true"
    (line,) = refusal(authorizationWebhook={**SERVICE, "matchConditions": ["true", "true"]})
    assert "matchConditions[1]: is also matchConditions[0]" in line


def test_the_most_conditions_of_a_page_are_as_many_as_an_api_server_accepts() -> None:
    """64, with those of hardway: compileMatchConditions in k8s.io/apiserver."""
    many = [f"request.user != 'nobody-{number}'" for number in range(MOST_CONDITIONS)]
    part, _ = of_api_server(given(authorizationWebhook={**SERVICE, "matchConditions": many}))
    (file,) = (file for file in part.files if file.path == AUTHORIZATION)
    assert len(json.loads(str(file.content))["authorizers"][2]["webhook"]["matchConditions"]) <= 64
    (line,) = refusal(authorizationWebhook={**SERVICE, "matchConditions": [*many, "true"]})
    assert f"matchConditions: a list has {MOST_CONDITIONS + 1} items; allowed: at most {MOST_CONDITIONS}" in line, line


def test_node_and_rbac_decide_before_the_service() -> None:
    made = given(authorizationWebhook={**SERVICE, "failurePolicy": "Deny"})
    part, flags = of_api_server(made)
    (file,) = (file for file in part.files if file.path == AUTHORIZATION)
    authorizers = json.loads(str(file.content))["authorizers"]
    assert [one["type"] for one in authorizers] == ["Node", "RBAC", "Webhook"]
    assert authorizers[2]["webhook"]["failurePolicy"] == "Deny"
    # An API server refuses to start with both.
    assert "authorization-mode" not in flags and flags["authorization-config"].endswith(AUTHORIZATION)
    assert {AUTHORIZATION, AUTHORIZATION_WEBHOOK} <= {*part.units[0].restart_on}


def test_tokens_are_a_file_for_the_api_server_alone() -> None:
    part, flags = of_api_server(given(tokens=[CI]))
    (file,) = (file for file in part.files if file.path == TOKENS)
    assert file == NodeFile(TOKENS, Ref(STATIC_TOKENS), 0o600, "kube-apiserver")
    assert flags["token-auth-file"] == f"/opt/kubernetes/{TOKENS}" and TOKENS in part.units[0].restart_on
    assert ONE not in repr(part)


def test_the_lines_of_the_file() -> None:
    tokens = [{**CI, "groups": ["robots", "builders"]}, {"name": "cd", "token": TWO}]
    text = tokens_file(given(tokens=tokens).page.access.tokens)
    assert text == f'{ONE},ci,ci,"robots,builders"\n{TWO},cd,cd\n'


def test_proxies_have_a_leaf_each_and_a_name_that_counts() -> None:
    made = given(proxy={**PROXY, "groupHeaders": ["X-Forwarded-Groups"], "extraHeaderPrefixes": ["X-Fact-"]})
    flags = of_api_server(made)[1]
    assert flags["requestheader-allowed-names"] == "front-proxy-client,hardway:proxy:login,hardway:proxy:gate"
    assert flags["requestheader-username-headers"] == "X-Remote-User,X-Forwarded-User"
    assert flags["requestheader-group-headers"] == "X-Remote-Group,X-Forwarded-Groups"
    assert flags["requestheader-extra-headers-prefix"] == "X-Remote-Extra-,X-Fact-"
    leaves = {leaf.name: leaf for leaf in plan_leaves(made.page, made.topology)}
    leaf = leaves["login.people-proxy"]
    assert (leaf.authority, leaf.profile, leaf.common_name) == ("front-proxy", "client", "hardway:proxy:login")


def test_no_developer_has_the_leaf_of_a_proxy() -> None:
    """The names of leaves are those of Pulumi resources, each of which comes once."""
    developers = [{"name": "x-people-proxy", "namespace": "a"}]
    made = given(proxy={**PROXY, "names": ["developer-x"]}, developers=developers)
    names = [leaf.name for leaf in plan_leaves(made.page, made.topology)]
    assert len(names) == len({*names})


def test_without_a_proxy_only_api_servers_are_believed() -> None:
    """An empty list would let every client of the authority be everybody."""
    assert of_api_server(given())[1]["requestheader-allowed-names"] == "front-proxy-client"


def test_api_servers_have_a_certificate_for_services_only_if_they_ask_one() -> None:
    def clients(made: Cluster) -> list[str]:
        return [leaf.name for leaf in plan_leaves(made.page, made.topology) if "webhook" in leaf.name]

    assert clients(given()) == clients(given(proxy=PROXY, tokens=[CI])) == []
    assert clients(given(authorizationWebhook=SERVICE)) == [f"cp-{n}-apiserver-webhook-client" for n in (1, 2, 3)]
    made = given(tokenWebhook={**SERVICE, "prefix": "corp:", "cacheTtl": "30s"})
    part, flags = of_api_server(made)
    at = "/opt/kubernetes/ssl/kube-apiserver/webhook-client"
    ca = str(SERVICE["certificateAuthority"])
    expected = by_service(server=SERVICE["url"], ca=ca, cert=f"{at}.pem", key=f"{at}.key")
    assert [file.content for file in part.files if file.path == TOKEN_WEBHOOK] == [expected]
    assert flags["authentication-token-webhook-cache-ttl"] == "30s"
    assert flags["authentication-token-webhook-version"] == "v1"


@pytest.mark.parametrize(
    ("key", "flag"),
    [
        ("tokenWebhook", "authentication-token-webhook-cache-ttl"),
        ("tokenWebhook", "authentication-token-webhook-config-file"),
        ("authorizationWebhook", "authorization-webhook-version"),
    ],
)
def test_a_flag_does_not_change_the_webhook_of_the_page(key: str, flag: str) -> None:
    """Without the webhook of the page, the flags are as free as all others."""
    value = {"config-file": "/etc/hook.yaml", "version": "v1"}.get(flag.partition("webhook-")[2], "1m")
    change = {"extraArgs.kube-apiserver": {flag: value}}
    assert cluster("stacked", change)
    own = {"prefix": "corp:"} if key == "tokenWebhook" else {}
    with pytest.raises(ConfigError, match=f"extraArgs.kube-apiserver.{flag}: is given, and access.{key} sets it"):
        cluster("stacked", change | {f"access.{key}": SERVICE | own})
