"""Generations of keys: what nodes get while several generations are trusted and one signs, and the order of steps."""

import base64
import hashlib
import json
from typing import Any

import pytest
from clusters import cluster
from conftest import changed, page_values
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.config import ConfigError, Page, load
from components.config.generations import KeyGenerations
from components.config.rotation import recorded, refused_steps
from components.node.generations import generations_file
from components.node.model import NodePart, Ref
from components.node.release import unit_flags
from components.node.render.control_plane import controller_manager
from components.pki.encryption import encryption_config
from components.pki.inventory import keys_in_use
from components.pki.keys import key_id
from components.pki.names import signing_certificate, trust_bundle

BUNDLE = "ssl/kubernetes-ca.pem"
OWN = "ssl/kube-controller-manager/kubernetes-ca.pem"
Key = dict[str, Any]


def of(trusted: list[int], active: int) -> Key:
    return {"trusted": trusted, "active": active}


def page(**keys: Key) -> Page:
    return load(changed(page_values("stacked"), {"pki.generations": keys}))


def generations(**keys: Key) -> KeyGenerations:
    return page(**keys).pki.generations


def part(kubernetes: Key) -> NodePart:
    topology = cluster("stacked").topology
    return controller_manager(page(kubernetes=kubernetes), topology, topology.node("cp-1"))


def flags(kubernetes: Key) -> dict[str, str]:
    (unit,) = part(kubernetes).units
    return unit_flags(unit.text)


def contents(kubernetes: Key) -> dict[str, object]:
    return {file.path: file.content for file in part(kubernetes).files}


def test_one_generation_is_bundle_and_signing_certificate() -> None:
    first = of([1], 1)
    assert flags(first)["cluster-signing-cert-file"] == f"/opt/kubernetes/{BUNDLE}"
    assert OWN not in contents(first)
    assert part(first) == part(of([2], 2))


def test_of_several_generations_one_signs_and_all_are_trusted() -> None:
    both = of([1, 2], 1)
    assert flags(both)["cluster-signing-cert-file"] == f"/opt/kubernetes/{OWN}"
    assert flags(both)["root-ca-file"] == flags(both)["client-ca-file"] == f"/opt/kubernetes/{BUNDLE}"
    assert contents(both)[OWN] == Ref(signing_certificate("kubernetes"))
    assert contents(both)[BUNDLE] == Ref(trust_bundle("kubernetes"))
    (unit,) = part(both).units
    assert {OWN, BUNDLE} <= set(unit.restart_on)


def test_an_active_generation_that_is_not_trusted_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"pki.generations.etcd.active: generation 3 is in use and not trusted"):
        page(etcd=of([1, 2], 3))


def test_the_first_encryption_key_encrypts_and_all_decrypt() -> None:
    config = json.loads(encryption_config([(2, "two"), (1, "one")]))
    secretbox, identity = config["resources"][0]["providers"]
    assert secretbox["secretbox"]["keys"] == [{"name": "key2", "secret": "two"}, {"name": "key1", "secret": "one"}]
    assert identity == {"identity": {}}


STEPS = {
    "trust": (of([1], 1), of([1, 2], 1)),
    "use": (of([1, 2], 1), of([1, 2], 2)),
    "distrust": (of([1, 2], 2), of([2], 2)),
    "nothing": (of([1, 2], 2), of([1, 2], 2)),
    "back from trust": (of([1, 2], 1), of([1], 1)),
    "back from use": (of([1, 2], 2), of([1, 2], 1)),
    "the next rotation": (of([2], 2), of([2, 3], 2)),
    "another one before the first is given up": (of([1, 2], 2), of([1, 2, 3], 2)),
}
REFUSED = {
    "use before trust": (of([1], 1), of([1, 2], 2), "active", "generation 2 cannot be used"),
    "another key at once": (of([1], 1), of([2], 2), "active", "generation 2 cannot be used"),
    "distrust before use": (of([1, 2], 1), of([2], 2), "trusted", "generation 1 was in use"),
    "a number once more": (of([2], 2), of([1, 2], 2), "trusted", "generation 1 is not among [2]"),
    "two steps back": (of([1, 2], 2), of([1], 1), "trusted", "generation 2 was in use"),
}


@pytest.mark.parametrize("step", STEPS)
def test_steps_in_order(step: str) -> None:
    before, now = STEPS[step]
    assert refused_steps(recorded(generations(frontProxy=before)), generations(frontProxy=now)) == []


@pytest.mark.parametrize("step", REFUSED)
def test_steps_out_of_order(step: str) -> None:
    before, now, key, problem = REFUSED[step]
    (found,) = refused_steps(recorded(generations(frontProxy=before)), generations(frontProxy=now))
    assert found.path == f"pki.generations.frontProxy.{key}"
    assert found.problem.startswith(problem)


def test_keys_rotate_on_their_own() -> None:
    before = generations(kubernetes=of([1, 2], 2), etcd=of([1, 2], 1))
    now = generations(kubernetes=of([2], 2), etcd=of([2], 2), encryption=of([1, 2], 1))
    assert [found.path for found in refused_steps(recorded(before), now)] == ["pki.generations.etcd.trusted"]


def test_numbers_of_the_record_are_floats() -> None:
    """The engine returns every number as a float."""
    record = {"etcd": {"trusted": [1.0, 2.0], "active": 1.0}}
    assert refused_steps(record, generations(etcd=of([1, 2], 2))) == []


def test_a_cluster_of_an_earlier_version_is_in_its_first_generation() -> None:
    assert refused_steps({}, generations(etcd=of([1, 2], 1))) == []
    assert refused_steps({}, generations(etcd=of([1, 2], 2))) != []


def test_a_node_has_the_generations_of_its_own_keys() -> None:
    all_keys = generations(kubernetes=of([1, 2], 1), etcd=of([1, 2], 2), encryption=of([2], 2))
    (worker,) = generations_file(all_keys, cluster("stacked").part("worker-1")).files
    assert worker.content == "kubernetes 1 1 2\n"
    (master,) = generations_file(all_keys, cluster("stacked").part("cp-1")).files
    assert master.content == "kubernetes 1 1 2\netcd 2 1 2\nfront-proxy 1 1\nservice-account 1 1\nencryption 2 2\n"


def test_keys_without_certificates_are_listed() -> None:
    listed = keys_in_use(generations(serviceAccount=of([1, 2], 2)), ssh=True)
    assert [(key["name"], key["active"]) for key in listed] == [
        ("service-account-1", False),
        ("service-account-2", True),
        ("encryption-key-1", True),
        ("ssh-key-1", True),
    ]
    assert len(keys_in_use(generations(), ssh=False)) == 2


def test_key_id_is_the_digest_of_the_public_key() -> None:
    """Like keyIDFromPublicKey of Kubernetes: the SHA-256 of the key in DER, in base64url without padding."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    found = key_id(pem)
    assert "=" not in found
    digest = hashlib.sha256(der).digest()
    assert base64.urlsafe_b64decode(found + "=") == digest
