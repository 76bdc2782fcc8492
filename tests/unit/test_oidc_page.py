"""`access.oidc` and `access.groups`: what is accepted, what API servers get, and the kubeconfig for people."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from authorities import DAY, make
from clusters import cluster
from conftest import page_values

from components.addons.bindings import binding_name
from components.config import ConfigError, Page, load
from components.config.flags import MANAGED_FLAGS
from components.node.render.authentication import authentication
from components.node.render.control_plane import api_server
from components.pki.kubeconfig import Login, by_login

ISSUER = {
    "url": "https://login.example.com/",
    "audiences": ["kubernetes"],
    "claimMappings": {
        "username": {"claim": "sub", "prefix": "oidc:"},
        "groups": {"claim": "groups", "prefix": "oidc:"},
    },
}


def page_of(**changes: Any) -> Page:
    """A page with one issuer. None removes a key of it."""
    issuer = {key: value for key, value in (ISSUER | changes).items() if value is not None}
    return load(page_values("stacked") | {"access": {"oidc": [issuer]}})


def authenticator(**changes: Any) -> dict[str, Any]:
    """The only entry of `jwt` in the file of an API server."""
    (found,) = json.loads(authentication(page_of(**changes).access.oidc))["jwt"]
    assert isinstance(found, dict)
    return found


def test_without_issuers_the_file_is_as_before() -> None:
    """So an upgrade of the program restarts no API server."""
    assert json.loads(authentication(())).keys() == {"apiVersion", "kind", "anonymous"}


def test_a_page_gets_the_names_of_kubernetes() -> None:
    assert authenticator() == {
        # With the slash at the end: the URL is compared with the claim `iss`.
        "issuer": {"url": "https://login.example.com/", "audiences": ["kubernetes"]},
        "claimMappings": ISSUER["claimMappings"],
    }


def test_everything_at_once() -> None:
    authority = make("CN=Web CA").chain
    claim_rules = [{"claim": "hd", "requiredValue": "example.com"}, {"expression": "claims.a == 'b'", "message": "no"}]
    user_rules = [{"expression": "user.username != 'oidc:mallory'"}]
    found = authenticator(
        audiences=["kubernetes", "dashboard"],
        audienceMatchPolicy="MatchAny",
        certificateAuthority=authority,
        claimValidationRules=claim_rules,
        userValidationRules=user_rules,
        scopes=["groups"],
    )
    assert found["issuer"]["audienceMatchPolicy"] == "MatchAny"
    assert found["issuer"]["certificateAuthority"] == authority
    assert (found["claimValidationRules"], found["userValidationRules"]) == (claim_rules, user_rules)
    assert "scopes" not in json.dumps(found)


def test_an_expression_is_kept_to_its_prefix() -> None:
    """An API server has no prefix for expressions, so a rule about the user takes its place."""
    own = {"expression": "user.username.startsWith('oidc:')", "message": "as on the page"}
    mappings = {
        "username": {"expression": "'oidc:' + claims.sub", "prefix": "oidc:"},
        "groups": {"expression": "claims.teams", "prefix": "oidc:team/"},
    }
    found = authenticator(claimMappings=mappings)
    assert found["claimMappings"]["username"] == {"expression": "'oidc:' + claims.sub"}
    assert [rule["expression"] for rule in found["userValidationRules"]] == [
        "user.username.startsWith('oidc:')",
        "user.groups.all(group, group.startsWith('oidc:team/'))",
    ]
    # An API server refuses a rule that it has already.
    again = authenticator(claimMappings=mappings, userValidationRules=[own])["userValidationRules"]
    assert again[0] == own
    assert len(again) == 2


def test_a_changed_issuer_restarts_api_servers_and_nothing_else() -> None:
    made = cluster("stacked")
    node = made.topology.control_plane_nodes[0]
    parts = [api_server(page, made.topology, node) for page in (page_of(), page_of(audiences=["other"]))]
    changed = {file.path for file in set(parts[0].files) ^ set(parts[1].files)}
    assert changed == {"cfg/authentication.yaml"}
    (unit,) = parts[0].units
    assert changed <= set(unit.restart_on)
    assert parts[0].units == parts[1].units


def ended() -> str:
    """An authority that was valid yesterday."""
    return make("CN=Old CA", begins=-2 * DAY, ends=timedelta(hours=-1)).chain


def test_a_certificate_of_a_server_is_refused_as_authority() -> None:
    leaf = make("CN=login.example.com", authority=False, signs=False).chain
    with pytest.raises(ConfigError, match=r"certificateAuthority: the certificate 'CN=.*' is not that of an authority"):
        page_of(certificateAuthority=make("CN=Good CA").chain + leaf)


def test_authorities_of_which_all_have_ended_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"certificateAuthority: the certificate 'CN=Old CA' ended "):
        page_of(certificateAuthority=ended())


def test_an_authority_that_ends_beside_a_valid_one_stops_no_run() -> None:
    """API servers ignore it. A refusal would also stop `make renew`."""
    page_of(certificateAuthority=ended() + make("CN=Good CA").chain)


@pytest.mark.parametrize("prefix", ["oidc:", "https://login.example.com/#", "staff/", "a.b_c@d+e-f:"])
def test_prefixes(prefix: str) -> None:
    names = {"claim": "sub", "prefix": prefix}
    assert authenticator(claimMappings={"username": names})["claimMappings"] == {"username": names}


@pytest.mark.parametrize("expression", ["claims.email", "claims.?email.orValue('')", "'oidc:' + claims.email"])
def test_an_address_in_an_expression_needs_email_verified(expression: str) -> None:
    """As in the validation of API servers, which do not start otherwise."""
    mappings = {"username": {"expression": expression, "prefix": "oidc:"}}
    with pytest.raises(ConfigError, match="email_verified"):
        page_of(claimMappings=mappings)
    rule = {"expression": "claims.?email_verified.orValue(true) == true"}
    page_of(claimMappings=mappings, claimValidationRules=[rule])


@pytest.mark.parametrize(
    "rule", ["claims['email_verified']", "true // claims.email_verified", "'claims.email_verified' == ''"]
)
def test_only_a_field_of_claims_counts_as_email_verified(rule: str) -> None:
    """As for API servers: tests/integration/test_oidc.py."""
    mappings = {"username": {"expression": "'oidc:' + claims .email", "prefix": "oidc:"}}
    with pytest.raises(ConfigError, match="email_verified"):
        page_of(claimMappings=mappings, claimValidationRules=[{"expression": rule}])


def test_an_address_that_is_only_a_text_needs_nothing() -> None:
    expression = "'oidc:' + claims.sub // not claims.email"
    page_of(claimMappings={"username": {"expression": expression, "prefix": "oidc:"}})


def test_api_servers_get_certificates_alone() -> None:
    authority = make("CN=Web CA").chain
    given = "a comment\n  " + "\n  ".join(authority.splitlines())
    assert authenticator(certificateAuthority=given)["issuer"]["certificateAuthority"] == authority


def test_every_flag_of_oidc_leads_to_the_page() -> None:
    refused = MANAGED_FLAGS["kube-apiserver"]
    led = {flag for flag in refused if flag.startswith("oidc-") or flag == "authentication-config"}
    assert len(led) == 10
    assert {refused[flag] for flag in led} == {"access.oidc"}
    # Anonymous requests are hardway's own decision.
    assert refused["anonymous-auth"] == ""


def test_bindings_have_names_of_their_own() -> None:
    """Also if two groups differ only in characters that a name of an object cannot have."""
    names = {
        binding_name("Group", name, role)
        for name in ("oidc:a/b", "oidc:a-b", "oidc:A-b", "oidc:" + "x" * 200)
        for role in ("view", "edit")
    }
    assert len(names) == 8
    assert binding_name("Group", "oidc:platform", "view").startswith("hardway-group-oidc-platform-view-")
    assert all(len(name) <= 100 for name in names)


def test_the_kubeconfig_of_people_has_no_secret() -> None:
    text = by_login(
        cluster="dev",
        server="https://api.example.com:6443",
        ca="API CA",
        logins=[
            Login("login.example.com", "https://login.example.com/", "kubernetes", ["groups"], "WEB CA"),
            Login("partner.example.com", "https://partner.example.com", "k8s"),
        ],
    )
    found = json.loads(text)
    assert found["clusters"][0]["cluster"] == {
        "server": "https://api.example.com:6443",
        "certificate-authority-data": base64.b64encode(b"API CA").decode(),
    }
    assert found["current-context"] == "login.example.com@dev"
    assert [context["name"] for context in found["contexts"]] == ["login.example.com@dev", "partner.example.com@dev"]
    staff, partner = (user["user"] for user in found["users"])
    assert staff.keys() == partner.keys() == {"exec"}
    assert staff["exec"]["args"] == [
        "oidc-login",
        "get-token",
        "--oidc-issuer-url=https://login.example.com/",
        "--oidc-client-id=kubernetes",
        "--oidc-extra-scope=groups",
        f"--certificate-authority-data={base64.b64encode(b'WEB CA').decode()}",
    ]
    assert partner["exec"]["args"][2:] == ["--oidc-issuer-url=https://partner.example.com", "--oidc-client-id=k8s"]
