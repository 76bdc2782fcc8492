"""Authorities that the page gives: which are refused, and with which message."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from authorities import CLIENTS_ONLY, DAY, ONE_DOMAIN, SERVERS_ONLY, Made, intermediate, make, root, small_rsa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from given_pages import CHAIN, PATH, THE, both, messages, page, values

from components.config import ConfigError, load
from tools.common.paths import this_clone

ROOT = this_clone().root
KEY = "ECDSA on P-256, P-384 or P-521, or RSA"

# --- certificates and keys ----------------------------------------------------------------------------------------


def test_an_intermediate_authority_is_accepted() -> None:
    for made in (intermediate(), root(), make("CN=x", make("CN=y", root(), path_length=1))):
        assert page(made.on_page()).authorities.kubernetes[0].certificate == made.chain


@pytest.mark.parametrize(
    ("made", "problem", "allowed"),
    [
        ({"authority": False}, f"{THE} is not that of an authority", "basicConstraints with CA:TRUE"),
        ({"signs": False}, f"{THE} may not sign certificates", "keyUsage with keyCertSign"),
        ({"signs": None}, f"{THE} may not sign certificates", "keyUsage with keyCertSign"),
        ({"key": small_rsa()}, f"{THE} has an RSA key of 1024 bits", "at least 2048 bits"),
        (
            {"key": ec.generate_private_key(ec.SECP256K1())},
            f"{THE} has a key of the kind 1.2.840.10045.2.1 1.3.132.0.10",
            KEY,
        ),
        ({"key_id": b""}, f"{THE} has no subject key identifier", "a certificate with one (RFC 5280, section 4.2.1.2)"),
        (
            {"more": [SERVERS_ONLY]},
            f"{THE} does not have the extended key usages of its leaves",
            "serverAuth and clientAuth, or no such list",
        ),
        (
            {"more": [ONE_DOMAIN]},
            f"{THE} has name constraints",
            "no name constraints: names such as kubernetes.default.svc would not fit",
        ),
    ],
)
def test_a_certificate_that_cannot_be_used(made: dict[str, Any], problem: str, allowed: str) -> None:
    assert messages(make(by=root(), **made).on_page()) == [f"{PATH}.certificate: {problem}; allowed: {allowed}"]


def test_a_certificate_that_has_ended_or_not_begun() -> None:
    (ended,) = messages(make(by=root(), begins=-9 * DAY, ends=-DAY).on_page())
    assert ended.startswith(f"{PATH}.certificate: {THE} ended ")
    (later,) = messages(make(by=root(), begins=DAY).on_page())
    assert later.startswith(f"{PATH}.certificate: {THE} is valid from ")
    old = make("CN=Old", begins=-9 * DAY, ends=-DAY)
    (found,) = messages(make(by=old).on_page())
    assert found.startswith(f"{PATH}.certificate: the certificate 'CN=Old' ended ")


def test_a_certificate_that_ends_before_its_leaves() -> None:
    """90 days are the longest lifetime of a leaf by default. A page with shorter lifetimes can use the authority."""
    made = make(by=root(), ends=89 * DAY)
    (found,) = messages(made.on_page())
    assert f"{THE} ends " in found and ", before certificates that it would sign now (2160h); allowed: an end" in found
    assert page(make(by=root(), ends=91 * DAY).on_page())
    times = {"lifetime": "1000h", "renewBefore": "400h"}
    short = {f"pki.profiles.{name}": times for name in ("server", "client", "peer")}
    load(values(short | {"authorities.kubernetes": [made.on_page()]}), secret=("authorities",))
    # An authority that signs nothing any more only has to be valid.
    newer = intermediate("CN=another")
    page(made.on_page(1), newer.on_page(2), kubernetes=both([1, 2], 2))


@pytest.mark.parametrize("name", ["etcd", "frontProxy"])
def test_each_authority_is_checked(name: str) -> None:
    (found,) = messages(make(by=root(), authority=False).on_page(), name=name)
    assert found.startswith(f"hardway:authorities.{name}[0].certificate: ")


def test_a_front_proxy_signs_clients_only() -> None:
    assert page(make(by=root(), more=[CLIENTS_ONLY]).on_page(), name="frontProxy")
    assert messages(make(by=root(), more=[CLIENTS_ONLY]).on_page(), name="etcd")


def test_an_issuer_that_forbids_the_authority() -> None:
    """A path length counts the authorities below a certificate."""
    limited = make("CN=Root", path_length=0)
    assert messages(make(by=limited).on_page()) == [
        f"{PATH}.certificate: the certificate 'CN=Root' has a path length of 0, and 1 authorities below it; "
        "allowed: a path length of at least 1, or no limit"
    ]


def test_a_chain_that_does_not_end_with_the_root() -> None:
    made = intermediate()
    alone = made.on_page() | {"certificate": Made(made.certificate, made.key).chain}
    (found,) = messages(alone)
    assert found == f"{PATH}.certificate: 'CN=Org Root,O=Org' signed {THE}, and nothing follows; allowed: {CHAIN}"
    wrong = made.on_page() | {"certificate": Made(made.certificate, made.key, (root("CN=Other").certificate,)).chain}
    (found,) = messages(wrong)
    assert found == f"{PATH}.certificate: 'CN=Org Root,O=Org' signed {THE}, and 'CN=Other' follows; allowed: {CHAIN}"


def test_what_is_no_certificate() -> None:
    (found,) = messages(intermediate().on_page() | {"certificate": "MII"})
    assert found.startswith(f"{PATH}.certificate: 'MII' is not in PEM form; allowed: certificates in PEM form")
    cut = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"
    (found,) = messages(intermediate().on_page() | {"certificate": cut})
    assert "the text has a block CERTIFICATE (number 1) that is not a certificate; allowed: " in found


def test_a_key_in_the_text_of_the_certificate_is_not_shown() -> None:
    made = intermediate()
    (found,) = messages(made.on_page() | {"certificate": made.chain + made.private})
    assert found.startswith(f"{PATH}.certificate: the text has a block PRIVATE KEY; allowed: ")


def test_a_key_of_another_certificate() -> None:
    other = make().private
    (found,) = messages(intermediate().on_page() | {"privateKey": other})
    assert found.startswith(
        f"{PATH}.privateKey: the value is not the key of {THE}; allowed: the text of its private key"
    )


@pytest.mark.parametrize(
    "key", ["hunter2hunter2hunter2", "-----BEGIN PRIVATE KEY-----\nTm8gaw==\n-----END PRIVATE KEY-----"]
)
def test_what_is_no_key_is_not_shown(key: str) -> None:
    (found,) = messages(intermediate().on_page() | {"privateKey": key})
    assert found.startswith(f"{PATH}.privateKey: ")
    assert "hunter2" not in found and "Tm8gaw" not in found


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_with_a_passphrase(form: PrivateFormat) -> None:
    made = intermediate()
    locked = made.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"passphrase")).decode()
    problem = "the value is protected by a passphrase; allowed: the text of its private key in PEM form, without a "
    assert messages(made.on_page() | {"privateKey": locked}) == [f"{PATH}.privateKey: {problem}passphrase: {KEY}"]


def test_a_page_without_given_authorities_does_not_import_the_library() -> None:
    """Few pages give an authority. The start of the program with another page takes no longer than before."""
    script = (
        "import sys; from conftest import page_values; from components.config import load; "
        "from components.config.given import given_identities; import components.pki.given; "
        "given_identities(load(page_values('stacked'))); print('cryptography' in sys.modules)"
    )
    environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


def test_a_key_in_plain_text_is_refused() -> None:
    given = [intermediate().on_page()]
    with pytest.raises(ConfigError) as raised:
        load(values({"authorities.kubernetes": given}))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(
        f"{PATH}.privateKey: the value is on the page in plain text, so whoever reads the page can sign; allowed: a "
        "secret, with `pulumi config set --secret --path 'hardway:authorities.kubernetes[0].privateKey' <FILE`"
    )
    assert not [part for part in intermediate().private.splitlines()[1:-1] if part in line]


# --- generations --------------------------------------------------------------------------------------------------


def test_a_generation_that_the_page_does_not_trust() -> None:
    """The number is shown although the key beside it is a secret."""
    assert messages(intermediate().on_page(2)) == [
        "hardway:authorities.kubernetes[0].generation: generation 2 is not trusted; allowed: one of [1], which "
        "pki.generations.kubernetes trusts"
    ]
    twice = messages(intermediate().on_page(), make("CN=x", root()).on_page())
    assert twice == [
        "hardway:authorities.kubernetes[1].generation: generation 1 is given twice; allowed: each generation once"
    ]


def test_two_authorities_do_not_share_a_key() -> None:
    """Otherwise a kubelet could log in to etcd with its certificate of the API."""
    found = values({"authorities": {"kubernetes": [intermediate().on_page()], "etcd": [intermediate().on_page()]}})
    with pytest.raises(
        ConfigError, match=r"authorities.etcd\[0\].certificate: has the key of authorities.kubernetes\[0\]"
    ):
        load(found, secret=("authorities",))
    again = make("O=Org,CN=Org Kubernetes CA", root(), key=intermediate().key)
    (found_again,) = messages(intermediate().on_page(1), again.on_page(2), kubernetes=both([1, 2], 1))
    assert "authorities.kubernetes[1].certificate: has the key of authorities.kubernetes[0]" in found_again


def test_a_rotation_under_one_root_needs_nothing_else() -> None:
    """The root leads from one to the other, whatever their subjects and path lengths are."""
    newer = make("DC=org,CN=new", root(), utf8=True, path_length=0)
    assert page(intermediate().on_page(1), newer.on_page(2), kubernetes=both([1, 2], 1))


@pytest.mark.parametrize("subject", ["CN=new", "C=DE,O=Org,OU=Unit,CN=new"])
def test_the_program_certifies_what_it_can_write(subject: str) -> None:
    """From an authority that the program made to one that is given: both steps."""
    newer = make(subject, root(), path_length=0).on_page(2)
    assert page(newer, kubernetes=both([1, 2], 1))
    (found,) = messages(make(subject, root(), utf8=True).on_page(2), kubernetes=both([1, 2], 1))
    assert (
        ", so generation 1 cannot certify generation 2; allowed: a subject of C, O, OU, L, ST, CN in this order"
        in found
    )
    (found,) = messages(make(subject, root(), key_id=b"mine").on_page(2), kubernetes=both([1, 2], 1))
    assert ", so generation 1 cannot certify generation 2" in found
    # Authorities of etcd have no clients that learn late.
    assert page(make(subject, root(), utf8=True).on_page(2), name="etcd", etcd=both([1, 2], 1))


def test_an_authority_with_a_path_length_of_0_certifies_no_other() -> None:
    (found,) = messages(intermediate().on_page(1), kubernetes=both([1, 2], 1))
    assert found == (
        f"{PATH}.certificate: the path length of the certificate 'CN=Org Kubernetes CA,O=Org' "
        "is 0, so generation 1 cannot certify generation 2; allowed: a longer path length, or generation 2 under the "
        "same root"
    )
    assert page(make("CN=x", root(), path_length=1).on_page(1), kubernetes=both([1, 2], 1))
    limited = make("CN=y", make("CN=Root", path_length=1))
    (found,) = messages(limited.on_page(1), kubernetes=both([1, 2], 1))
    assert "the path length of the certificate 'CN=Root' is 1, so" in found


def test_the_clock_of_the_rule_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """HARDWAY_NOW is for reports: the tls provider signs by the real clock."""
    monkeypatch.setenv("HARDWAY_NOW", (datetime.now(UTC) + timedelta(days=9999)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert page(intermediate().on_page())
