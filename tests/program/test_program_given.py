"""Authorities that the page gives: who signs, what nodes and people get, which changes are refused, and secrets."""

import base64
import json
from functools import cache
from typing import Any

import pytest
from archives import unpack
from authorities import Made, intermediate, make, pem, root
from clusters import cluster, lock_data
from fake_engine import plain, unpem
from recording import REMOTE, Recording, leaves, page, recorded, run

SECRET_KEYS = {"PULUMI_CONFIG_SECRET_KEYS": json.dumps(["hardway:authorities"])}
END = "-----END CERTIFICATE-----\n"
KUBERNETES, ETCD, FRONT = (intermediate(f"O=Org,CN=Org {name} CA") for name in ("Kubernetes", "etcd", "front"))
ALL = {"kubernetes": [KUBERNETES], "etcd": [ETCD], "frontProxy": [FRONT]}
SECRET_LINES = [line for made in (KUBERNETES, ETCD, FRONT) for line in made.private.splitlines()[1:-1]]


def given(
    authorities: dict[str, list[Made | None]] | dict[str, list[Made]],
    generations: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    **more: Any,
) -> Recording:
    """A run with these authorities, by generation. None: the program makes this generation."""
    entries = {
        name: [made.on_page(number) for number, made in enumerate(listed, 1) if made]
        for name, listed in authorities.items()
    }
    values = page("stacked", {"authorities": entries, "pki.generations": generations or {}})
    extra = {} if outputs is None else {"FAKE_OUTPUTS": json.dumps(outputs)}
    return run(values, lock=lock_data(cluster("stacked").page), extra=SECRET_KEYS | extra, **more)


@cache
def first() -> Recording:
    """All three authorities are given."""
    made = given(ALL)
    assert made.error is None, made.error
    return made


def files(made: Recording, node: str = "cp-1") -> dict[str, str]:
    """The files in `ssl` on a node."""
    found = unpack(made.named(REMOTE, f"{node}-stage").inputs["stdin"])
    return {path[4:]: file.content for path, file in found.items() if path.startswith("ssl/")}


def parts(text: str) -> list[str]:
    """The certificates of a file."""
    return [part + END for part in text.split(END)[:-1]]


def test_given_authorities_sign_and_none_is_made() -> None:
    """The fake engine refuses a key that does not fit the certificate of the authority."""
    assert not first().of("tls:index/selfSignedCert:SelfSignedCert")
    assert not [r.name for r in first().of("tls:index/privateKey:PrivateKey") if "-ca-" in r.name]
    on_node = files(first())
    for path, made in {"kube-apiserver/server": KUBERNETES, "etcd/server": ETCD, "etcd/peer": ETCD}.items():
        assert unpem(parts(on_node[f"{path}.pem"])[0])["issuer"] == made.certificate.subject.rfc4514_string()
    assert on_node["kube-controller-manager/kubernetes-ca.key"] == KUBERNETES.private
    assert on_node["kubelet/issuer.pem"] == pem(KUBERNETES.certificate)


def test_servers_lead_to_the_root_and_clients_show_their_own_certificate() -> None:
    on_node = files(first())
    for path, made in {
        "kube-apiserver": KUBERNETES,
        "kubelet": KUBERNETES,
        "kube-scheduler": KUBERNETES,
        "etcd": ETCD,
    }.items():
        assert parts(on_node[f"{path}/server.pem"])[1:] == [pem(made.certificate)]
    for path in ("kube-scheduler/client", "etcd/peer", "kubelet/client", "kube-apiserver/front-proxy-client"):
        assert len(parts(on_node[f"{path}.pem"])) == 1


def test_only_what_verifies_servers_has_the_root() -> None:
    """Nothing that verifies clients: any authority of the organisation could make an administrator."""
    holders = {
        (node, path)
        for node in ("cp-1", "worker-1")
        for path, text in files(first(), node).items()
        if pem(root().certificate) in text
    }
    assert holders == {
        *(("cp-1", path) for path in ("kubernetes-ca-path.pem", "etcd-proxy/ca.pem")),
        ("worker-1", "kubernetes-ca-path.pem"),
    }
    on_node = files(first())
    assert on_node["kubernetes-ca.pem"] == pem(KUBERNETES.certificate)
    assert on_node["kubernetes-ca-path.pem"] == KUBERNETES.chain
    assert on_node["etcd/ca.pem"] == on_node["kube-apiserver/etcd-ca.pem"] == pem(ETCD.certificate)
    assert on_node["kube-apiserver/front-proxy-ca.pem"] == pem(FRONT.certificate)
    kubeconfig = json.loads(plain(first().outputs)["kubeconfig"])
    authority = kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]
    assert base64.b64decode(authority).decode() == KUBERNETES.chain


def test_the_inventory_has_the_given_authorities() -> None:
    inventory = {line["name"]: line for line in first().outputs["certificates"]}
    line = inventory["kubernetes-ca-1"]
    assert (line["subject"], line["issuer"]) == ("CN=Org Kubernetes CA,O=Org", "CN=Org Root,O=Org")
    assert line["notAfter"] == KUBERNETES.certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    # 90 days before the end, leaves would live longer than the authority.
    assert line["renewedFrom"] < line["notAfter"]
    assert inventory["cp-1-apiserver"]["issuer"] == "kubernetes-ca-1"


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_no_key_is_shown(preview: bool) -> None:
    made = given(ALL, preview=True) if preview else first()
    assert made.error is None
    found = [leaf for r in made.resources for leaf in leaves(dict(r.raw)) if isinstance(leaf.value, str)]
    found += [leaf for values in made.components.values() for leaf in leaves(values) if isinstance(leaf.value, str)]
    found += [leaf for leaf in leaves(made.outputs) if isinstance(leaf.value, str)]
    holders = [leaf for leaf in found if any(line in leaf.value for line in SECRET_LINES)]
    assert [leaf.path for leaf in holders if not leaf.secret] == []
    assert {leaf.path for leaf in holders} >= {"caPrivateKeyPem"}


def test_a_key_in_plain_text_makes_nothing() -> None:
    values = page("stacked", {"authorities.kubernetes": [KUBERNETES.on_page()]})
    ended = run(values, lock=lock_data(cluster("stacked").page))
    assert ended.error is not None
    assert ended.error["text"].startswith(
        "hardway:authorities.kubernetes[0].privateKey: the value is on the page in plain"
    )
    assert not [line for line in SECRET_LINES if line in ended.error["text"]]
    assert ended.resources == ()


# --- a running cluster --------------------------------------------------------------------------------------------

ENDPOINT = {"endpoint": "https://127.0.0.1:20000"}
SINGLE = {key: {"trusted": [1], "active": 1} for key in ("kubernetes", "etcd", "frontProxy")}


def after(before: Recording) -> dict[str, Any]:
    """The outputs of a complete `up`, as far as the next run reads them."""
    outputs = plain(before.outputs)
    return ENDPOINT | {name: outputs[name] for name in ("generations", "givenAuthorities") if name in outputs}


def test_identities_are_an_output_only_if_something_is_given() -> None:
    assert set(plain(first().outputs)["givenAuthorities"]) == {"kubernetes", "etcd", "frontProxy"}
    assert "givenAuthorities" not in recorded("stacked").outputs


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_another_key_is_refused_before_anything_happens(preview: bool) -> None:
    other = ALL | {"etcd": [make("O=Org,CN=Org etcd CA", root())]}
    ended = given(other, outputs=after(first()), preview=preview)
    assert ended.error is not None
    assert ended.error["text"].startswith("hardway:authorities.etcd[0].certificate: has another key, subject or key ")
    # The record of the choice of programs is read, and stays.
    assert [resource.name for resource in ended.resources] == ["artifact-source", "fixed-values"]


def test_a_renewed_certificate_is_rolled_out() -> None:
    """A rotation it is not: names of resources stay, so no key changes."""
    renewed = make("O=Org,CN=Org etcd CA", root(), key=ETCD.key, path_length=0)
    made = given(ALL | {"etcd": [renewed]}, outputs=after(first()))
    assert made.error is None
    assert {(r.type, r.name) for r in made.resources} == {(r.type, r.name) for r in first().resources}
    assert files(made)["etcd/ca.pem"] == pem(renewed.certificate) != files(first())["etcd/ca.pem"]


def test_an_authority_of_the_program_is_not_given_later() -> None:
    outputs = ENDPOINT | {"generations": SINGLE}
    ended = given({"kubernetes": [KUBERNETES]}, outputs=outputs)
    assert ended.error is not None
    assert "the program has made the key of generation 1; allowed: another generation" in ended.error["text"]
    # A stack of an earlier version has no output `generations`.
    assert given({"kubernetes": [KUBERNETES]}, outputs=ENDPOINT).error == ended.error


def phase(trusted: list[int], active: int) -> dict[str, Any]:
    return {"kubernetes": {"trusted": trusted, "active": active}}


PLAIN = make("O=Org,CN=Org Kubernetes CA 2", root(), path_length=0)


def test_from_the_program_to_the_organisation() -> None:
    """Generation 1 certifies the given generation 2. A server shows that certificate, then the way to the root."""
    trusting = given({"kubernetes": [None, PLAIN]}, phase([1, 2], 1), ENDPOINT | {"generations": SINGLE})
    assert trusting.error is None, trusting.error
    assert unpem(parts(files(trusting)["kube-apiserver/server.pem"])[0])["issuer"] == "kubernetes-ca-1"
    made = given({"kubernetes": [None, PLAIN]}, phase([1, 2], 2), after(trusting))
    assert made.error is None, made.error
    on_node = files(made)
    leaf, crossed, own = parts(on_node["kube-apiserver/server.pem"])
    assert unpem(leaf)["issuer"] == "CN=Org Kubernetes CA 2,O=Org"
    assert (unpem(crossed)["key"], unpem(crossed)["issuer"]) == (unpem(own)["key"], "kubernetes-ca-1")
    assert unpem(crossed)["subject"] == {"commonName": "Org Kubernetes CA 2", "organization": "Org"}
    assert own == pem(PLAIN.certificate)
    assert [unpem(text)["name"] for text in parts(on_node["kubernetes-ca.pem"])] == [
        "kubernetes-ca-1",
        "CN=Org Kubernetes CA 2,O=Org",
    ]
    assert on_node["kube-controller-manager/kubernetes-ca.pem"] == pem(PLAIN.certificate)
    assert on_node["kubernetes-ca-path.pem"] == on_node["kubernetes-ca.pem"] + pem(root().certificate)
    ended = given({"kubernetes": [None, PLAIN]}, phase([2], 2), after(made))
    assert ended.error is None
    assert files(ended)["kube-apiserver/server.pem"].count(END) == 2


def test_under_one_root_no_certificate_leads_from_the_older_one() -> None:
    both: dict[str, list[Made | None]] = {"kubernetes": [KUBERNETES, PLAIN]}
    made = given(both, phase([1, 2], 2))
    assert made.error is None
    assert not [r.name for r in made.resources if "-by-" in r.name]
    assert parts(files(made)["kube-apiserver/server.pem"])[1:] == [pem(PLAIN.certificate)]
    path = parts(files(made)["kubernetes-ca-path.pem"])
    assert path == [pem(one) for one in (KUBERNETES.certificate, PLAIN.certificate, root().certificate)]


def test_from_the_organisation_to_the_program() -> None:
    """The given generation 1 certifies generation 2, and the server leads on to the root of the organisation."""
    wide = make("DC=org,CN=wide", root(), utf8=True, path_length=1)
    made = given({"kubernetes": [wide]}, phase([1, 2], 2))
    assert made.error is None, made.error
    leaf, crossed, own = parts(files(made)["kube-apiserver/server.pem"])
    assert unpem(leaf)["issuer"] == "kubernetes-ca-2"
    assert (unpem(crossed)["key"], unpem(crossed)["issuer"]) == ("kubernetes-ca-2", "CN=wide,DC=org")
    assert own == pem(wide.certificate)
