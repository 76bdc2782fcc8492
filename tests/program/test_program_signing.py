"""Authorities behind a signing service: what the whole program registers, and where its secrets are."""

import json
from functools import cache
from typing import Any

import pytest
from archives import unpack
from authorities import intermediate, pem
from clusters import cluster, lock_data
from fake_engine import plain, unpem
from recording import LOCAL, REMOTE, Recording, leaves, page, run

SECRET_KEYS = {"PULUMI_CONFIG_SECRET_KEYS": json.dumps(["hardway:authorities"])}
ETCD, FRONT = intermediate("O=Org,CN=Org etcd CA"), intermediate("O=Org,CN=Org front CA")
AUTH_KEY = "5ec2e7" * 6
SERVICE = {"url": "https://ca.example.com:8888", "caBundle": ETCD.chain, "authKey": AUTH_KEY}
MORE = {"label": "etcd", "profiles": {"peer": "etcd-member"}}


def whole(authorities: dict[str, Any], preview: bool = False, **outputs: Any) -> Recording:
    """A run of the program, after an `up` with these outputs."""
    values = page("stacked", {"authorities": authorities})
    extra = SECRET_KEYS | ({"FAKE_OUTPUTS": json.dumps(outputs)} if outputs else {})
    made = run(values, lock=lock_data(cluster("stacked").page), extra=extra, preview=preview)
    assert made.error is None, made.error
    return made


@cache
def served(preview: bool = False) -> Recording:
    """The authorities of etcd and of aggregated APIs are behind a service, in their first generation."""
    authorities: dict[str, Any] = {
        "etcd": [{"generation": 1, "certificate": ETCD.chain, "service": SERVICE | MORE}],
        "frontProxy": [{"generation": 1, "certificate": FRONT.chain, "service": SERVICE}],
    }
    return whole(authorities, preview)


def asked() -> dict[str, dict[str, str]]:
    """What each command sends to the service, by leaf."""
    commands = [r for r in served().of(LOCAL) if r.name.endswith("-signed")]
    return {r.name.removesuffix("-signed"): json.loads(r.inputs["stdin"]) for r in commands}


def test_each_leaf_of_these_authorities_is_asked_for() -> None:
    wanted = {f"cp-{n}-{what}" for n in (1, 2, 3) for what in ("etcd-server", "etcd-peer", "apiserver-etcd-client")}
    assert asked().keys() == wanted | {f"cp-{n}-front-proxy-client" for n in (1, 2, 3)}
    one, other = asked()["cp-1-etcd-peer"], asked()["cp-1-front-proxy-client"]
    assert (one["label"], one["profile"], one["lifetime"]) == (
        "etcd",
        "etcd-member",
        "hardway:pki.profiles.peer.lifetime",
    )
    assert (other["label"], other["profile"]) == ("", "client")
    assert (one["authority"], other["authority"]) == (ETCD.chain, FRONT.chain)
    assert one["path"] == "hardway:authorities.etcd (generation 1).service"
    draft, request = unpem(one["draft"]), unpem(one["request"])
    assert (draft["key"], draft["names"], draft["issuer"]) == (request["key"], request["names"], "etcd-drafts-1")


def test_machines_have_what_the_service_signed() -> None:
    on_node = {
        path[4:]: file.content
        for path, file in unpack(served().named(REMOTE, "cp-1-stage").inputs["stdin"]).items()
        if path.startswith("ssl/")
    }
    for path, made in {"etcd/server": ETCD, "etcd/peer": ETCD, "kube-apiserver/front-proxy-client": FRONT}.items():
        first = on_node[f"{path}.pem"].partition("-----END")[0] + "-----END CERTIFICATE-----\n"
        assert unpem(first)["issuer"] == made.certificate.subject.rfc4514_string()
    assert on_node["etcd/server.pem"].endswith(pem(ETCD.certificate))
    # No machine trusts the key that signs drafts.
    assert not [path for path, text in on_node.items() if "drafts" in text]
    assert on_node["etcd/ca.pem"] == pem(ETCD.certificate)
    inventory = {line["name"]: line for line in served().outputs["certificates"]}
    assert (inventory["cp-1-etcd-peer"]["issuer"], inventory["etcd-ca-1"]["subject"]) == (
        "etcd-ca-1",
        "CN=Org etcd CA,O=Org",
    )
    assert "etcd-drafts-1" not in inventory


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_the_authentication_key_is_in_secret_input_only(preview: bool) -> None:
    made = served(preview)
    found = [leaf for r in made.resources for leaf in leaves(dict(r.raw)) if isinstance(leaf.value, str)]
    found += [leaf for values in made.components.values() for leaf in leaves(values) if isinstance(leaf.value, str)]
    found += [leaf for leaf in leaves(made.outputs) if isinstance(leaf.value, str)]
    holders = [leaf for leaf in found if AUTH_KEY in leaf.value]
    assert {(leaf.path, leaf.secret) for leaf in holders} == (set() if preview else {("stdin", True)})


def test_a_page_without_a_service_has_no_drafts() -> None:
    made = run(page("stacked", {}), lock=lock_data(cluster("stacked").page))
    assert not [r.name for r in made.resources if "drafts" in r.name or r.name.endswith("-signed")]


def test_the_key_leaves_the_page_within_a_generation() -> None:
    """The authority stays, so no rotation is needed: the leaves are signed anew, with the keys that they have."""
    before = whole({"etcd": [ETCD.on_page()]})
    outputs = {name: plain(before.outputs)[name] for name in ("generations", "givenAuthorities", "endpoint")}
    now = whole({"etcd": [{"generation": 1, "certificate": ETCD.chain, "service": SERVICE}]}, **outputs)
    keys = "tls:index/privateKey:PrivateKey"
    assert {r.name for r in now.of(keys)} == {r.name for r in before.of(keys)} | {"etcd-drafts-1"}
    assert [r.name for r in now.of(LOCAL) if r.name == "cp-1-etcd-peer-signed"]
