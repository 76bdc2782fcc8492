"""Certificates of a signing service, compared with their drafts."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from authorities import CLIENTS_ONLY, SERVERS_ONLY, Made, intermediate, make, pem, with_wrong_signature
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from components.pki.signed import wrong_content, wrong_time

AUTHORITY = intermediate("O=Org,CN=Org etcd CA")
KEY = ec.generate_private_key(ec.SECP256R1())
LIFETIME = timedelta(days=90)


def names(*dns: str, address: str = "192.0.2.1") -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([*map(x509.DNSName, dns), x509.IPAddress(ip_address(address))])


def leaf(by: Made = AUTHORITY, **changes: Any) -> Made:
    usual: dict[str, Any] = {"subject": "O=Org,CN=cp-1", "key": KEY, "authority": False, "signs": False}
    usual |= {"begins": timedelta(0), "ends": LIFETIME, "more": [names("cp-1", "localhost"), SERVERS_ONLY]}
    return make(by=by, **(usual | changes))


def draft() -> str:
    return pem(leaf(make("CN=etcd-drafts-1")).certificate)


def wrong(made: Made) -> str | None:
    return wrong_content(pem(made.certificate), draft(), AUTHORITY.chain)


def test_what_was_asked_for_is_accepted() -> None:
    assert wrong(leaf()) is None
    # The order of names, and the order in a subject, say nothing.
    assert wrong(leaf(subject="CN=cp-1,O=Org", more=[SERVERS_ONLY, names("localhost", "cp-1")])) is None


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: leaf(key=ec.generate_private_key(ec.SECP256R1())), "the certificate is for another public key"),
        (
            lambda: leaf(intermediate("O=Org,CN=Another")),
            "the certificate is signed by 'CN=Another,O=Org', not by the authority on the page",
        ),
        (
            lambda: with_wrong_signature(leaf()),
            "the certificate is signed by 'CN=Org etcd CA,O=Org', not by the authority on the page",
        ),
        (lambda: leaf(authority=True), "the certificate has the rights of an authority"),
        (lambda: leaf(signs=True), "the certificate has the rights of an authority"),
        (
            lambda: leaf(subject="O=system:masters,CN=cp-1"),
            "the certificate is for 'CN=cp-1,O=system:masters', and 'CN=cp-1,O=Org' was asked for",
        ),
        (
            lambda: leaf(more=[names("cp-1"), SERVERS_ONLY]),
            "the certificate has the names 192.0.2.1, cp-1, and 192.0.2.1, cp-1, localhost were asked for",
        ),
        (
            lambda: leaf(more=[SERVERS_ONLY]),
            "the certificate has the names none, and 192.0.2.1, cp-1, localhost were asked for",
        ),
        (
            lambda: leaf(more=[names("cp-1", "localhost"), CLIENTS_ONLY]),
            "the certificate does not have exactly the extended key usages that were asked for",
        ),
        (
            lambda: leaf(more=[names("cp-1", "localhost")]),
            "the certificate does not have exactly the extended key usages that were asked for",
        ),
        (lambda: leaf(signs=None), "the certificate does not have the key usage digital_signature"),
    ],
)
def test_anything_else_is_refused(made: Any, sentence: str) -> None:
    assert wrong(made()) == sentence


def test_what_is_not_one_certificate() -> None:
    assert wrong_content("x", draft(), AUTHORITY.chain) == "the text of the certificate has no block CERTIFICATE"
    both = pem(leaf().certificate) * 2
    assert wrong_content(both, draft(), AUTHORITY.chain) == "there are 2 certificates instead of one"


@pytest.mark.parametrize(
    ("begins", "ends", "sentence"),
    [
        (timedelta(minutes=-5), LIFETIME - timedelta(minutes=5), None),
        (timedelta(0), LIFETIME, None),
        (
            timedelta(minutes=-5),
            LIFETIME - timedelta(hours=2),
            "the certificate lives for 2158.0 hours, and the lifetime on the page is 2160.0 hours",
        ),
        (
            timedelta(0),
            LIFETIME + timedelta(minutes=30),
            "the certificate lives for 2160.5 hours, and the lifetime on the page is 2160.0 hours",
        ),
        (timedelta(seconds=60), LIFETIME, "the certificate begins only in 60 s"),
    ],
)
def test_the_lifetime_is_that_of_the_page(begins: timedelta, ends: timedelta, sentence: str | None) -> None:
    """Counted from now: the draft may be days older, if the service was away."""
    old = pem(leaf(begins=-timedelta(days=3), ends=LIFETIME - timedelta(days=3)).certificate)
    # Certificates have whole seconds.
    now = datetime.now(UTC).replace(microsecond=0)
    made = leaf(begins=begins, ends=ends)
    assert wrong_time(pem(made.certificate), old, now) == sentence
