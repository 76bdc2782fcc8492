"""The signatures in the chain of a given authority: which are refused, and with which message."""

from pathlib import Path

import pytest
from authorities import Made, make, root, rsa_key, signed_by_openssl, with_wrong_signature
from given_pages import CHAIN, PATH, THE, messages, page

OTHER_ROOT = make("O=Org,CN=Org Root", key_id=b"root")
IMPOSTOR = make("O=Org,CN=Org Root", key_id=b"root")


def test_names_that_fit_do_not_replace_a_signature() -> None:
    """Another root with the same name and key identifier, a changed certificate, a root that did not sign itself."""
    made = make(by=OTHER_ROOT)
    other = made.on_page() | {"certificate": Made(made.certificate, made.key, (IMPOSTOR.certificate,)).chain}
    (found,) = messages(other)
    problem = f"the signature of {THE} is not by the key of 'CN=Org Root,O=Org'"
    assert found == f"{PATH}.certificate: {problem}; allowed: {CHAIN}"
    assert messages(with_wrong_signature(made).on_page()) == [found]
    (found,) = messages(make(by=with_wrong_signature(OTHER_ROOT)).on_page())
    problem = "the signature of the certificate 'CN=Org Root,O=Org' is not by its own key"
    assert found == f"{PATH}.certificate: {problem}; allowed: {CHAIN}"


def test_every_signature_of_the_chain_is_verified() -> None:
    between = with_wrong_signature(make("CN=between", root(), path_length=1))
    (found,) = messages(make(by=between).on_page())
    problem = "the signature of the certificate 'CN=between' is not by the key of 'CN=Org Root,O=Org'"
    assert found == f"{PATH}.certificate: {problem}; allowed: {CHAIN}"


@pytest.mark.parametrize(("digest", "shown"), [("sha1", "ECDSA_WITH_SHA1"), ("sha224", "ECDSA_WITH_SHA224")])
def test_a_signature_that_programs_do_not_accept(digest: str, shown: str, tmp_path: Path) -> None:
    allowed = "a signature of ECDSA or RSA with SHA-256, SHA-384 or SHA-512, or of Ed25519"
    made = signed_by_openssl(digest, tmp_path, root())
    assert messages(made.on_page()) == [f"{PATH}.certificate: {THE} is signed with {shown}; allowed: {allowed}"]


@pytest.mark.parametrize(("digest", "shown"), [("sha1", "RSA_WITH_SHA1"), ("md5", "RSA_WITH_MD5")])
def test_nobody_verifies_the_signature_of_a_root(digest: str, shown: str, tmp_path: Path) -> None:
    old = signed_by_openssl(digest, tmp_path)
    assert page(old.on_page()) and page(make("CN=x", old).on_page())
    made = signed_by_openssl(digest, tmp_path, old)
    (found,) = messages(made.on_page())
    assert f"{THE} is signed with {shown}; allowed: " in found


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_signatures_that_programs_accept(digest: str, tmp_path: Path) -> None:
    for by in (root(), make("CN=RSA", key=rsa_key())):
        assert page(signed_by_openssl(digest, tmp_path, by).on_page())
