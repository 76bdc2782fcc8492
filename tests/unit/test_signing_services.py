"""Signing services on the page: which are refused, and with which message."""

from typing import Any

import pytest
from authorities import intermediate
from conftest import Values, changed
from given_pages import both, messages, page, values

from components.config import ConfigError, load

KEY = "00112233445566778899aabbccddeeff"
SERVICE = {"url": "https://ca.example.com:8888/pki/", "caBundle": intermediate("CN=Web").chain, "authKey": KEY}
KEY_FORMS = "the text of its private key in PEM form, without a passphrase: ECDSA on P-256, P-384 or P-521, or RSA"


def entry(generation: int = 1, **more: Any) -> dict[str, Any]:
    """An entry of `authorities` with a service."""
    made = intermediate("O=Org,CN=Org etcd CA")
    return {"generation": generation, "certificate": made.chain, "service": SERVICE} | more


@pytest.mark.parametrize("name", ["etcd", "frontProxy"])
def test_a_service_takes_the_place_of_the_key(name: str) -> None:
    (one,) = page(entry(), name=name).authorities.on_page()[name]
    assert one.private_key is None and one.service is not None
    assert (one.service.url, one.service.profiles.peer, one.service.label) == (
        "https://ca.example.com:8888/pki",
        "peer",
        None,
    )


def test_the_authority_of_the_api_needs_its_key_on_control_plane_nodes() -> None:
    assert messages(entry()) == [
        "hardway:authorities.kubernetes[0].service: a signing service cannot sign for the authority of the API, "
        "because the kube-controller-managers sign certificates of kubelets with the key of this authority, on "
        "control-plane nodes; allowed: privateKey; or a service for `etcd` and `frontProxy`"
    ]


def test_either_a_key_or_a_service() -> None:
    key = intermediate("O=Org,CN=Org etcd CA").private
    assert messages(entry(privateKey=key), name="etcd") == [
        "hardway:authorities.etcd[0].service: is beside privateKey; allowed: one of both"
    ]
    neither = {name: value for name, value in entry().items() if name != "service"}
    assert messages(neither, name="etcd") == [
        f"hardway:authorities.etcd[0].privateKey: is missing; allowed: {KEY_FORMS}; or `service`, if the key stays "
        "outside of the state"
    ]
    made = {"generation": 1, "certificate": intermediate().chain}
    assert messages(made) == [f"hardway:authorities.kubernetes[0].privateKey: is missing; allowed: {KEY_FORMS}"]


def test_a_bundle_that_cannot_be_read() -> None:
    cut = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"
    assert messages(entry(service=SERVICE | {"caBundle": cut}), name="etcd") == [
        "hardway:authorities.etcd[0].service.caBundle: the text has a block CERTIFICATE (number 1) that is not a "
        "certificate; allowed: certificates in PEM form"
    ]


def test_an_authentication_key_with_a_line_end_is_not_shown() -> None:
    """`pulumi config set --secret <FILE` keeps the line end of the file."""
    (found,) = messages(entry(service=SERVICE | {"authKey": f"{KEY}\n"}), name="etcd")
    assert found.startswith(
        "hardway:authorities.etcd[0].service.authKey: the value is not an even number of hexadecimal digits, without "
        "spaces and line ends; allowed: "
    )
    assert KEY not in found


def test_an_authentication_key_in_plain_text() -> None:
    found: Values = changed(values({"authorities.etcd": [entry()]}), {})
    with pytest.raises(ConfigError) as raised:
        load(found)
    (line,) = str(raised.value).splitlines()
    assert line.startswith("hardway:authorities.etcd[0].service.authKey: the value is on the page in plain text, so ")
    assert "config set --secret --path 'hardway:authorities.etcd[0].service.authKey'" in line and KEY not in line


def test_names_of_profiles_are_no_secrets() -> None:
    """A message about the page as a whole may have the same word."""
    named = SERVICE | {"profiles": {"peer": "generation"}}
    (found,) = messages(entry(2, service=named), name="etcd")
    assert "generation 2 is not trusted" in found


def test_generations_with_key_and_service_side_by_side() -> None:
    first = intermediate("O=Org,CN=First etcd CA")
    found = page(first.on_page(1), entry(2), name="etcd", etcd=both([1, 2], 2))
    assert [one.service is None for one in found.authorities.etcd] == [True, False]
