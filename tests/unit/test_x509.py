"""What the program takes from certificates and keys, and what it says of a text that is neither."""

import base64
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from authorities import DAY, SERVERS_ONLY, Key, intermediate, make, name_of, pem, root, rsa_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from components.x509 import Certificate, certificates, public_key_of


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(
    ("key", "kind", "size"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ECDSA P-256", 0),
        (ec.generate_private_key(ec.SECP384R1()), "ECDSA P-384", 0),
        (ec.generate_private_key(ec.SECP521R1()), "ECDSA P-521", 0),
        (rsa_key(), "RSA", 2048),
    ],
)
def test_a_key_is_that_of_its_certificate(key: Key, kind: str, size: int, form: PrivateFormat) -> None:
    found = public_key_of(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())
    assert (found.kind, found.size, found.is_supported) == (kind, size, True)
    (made,) = certificates(make(key=key).chain)
    assert made.key == found
    (other,) = certificates(make().chain)
    assert other.key != found


def test_a_key_file_of_openssl_names_its_curve_before_the_key(tmp_path: Path) -> None:
    """`openssl ecparam` writes a block with parameters first, and `-noout` is not its default."""
    path = tmp_path / "key"
    command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert "EC PARAMETERS" in path.read_text()
    assert public_key_of(path.read_text()).kind == "ECDSA P-256"


def test_a_key_of_another_kind_is_not_supported() -> None:
    ed, curve = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.BrainpoolP256R1())
    for key, kind in ((ed, "1.3.101.112"), (curve, "1.2.840.10045.2.1 1.3.36.3.3.2.8.1.1.7")):
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        (made,) = certificates(certificate_for(key))
        assert made.key.kind == kind
        assert not made.key.is_supported and not public_key_of(text).is_supported


def test_a_key_that_the_library_does_not_know() -> None:
    """GOST R 34.10-2012 in the place of id-ecPublicKey: the object identifier has as many bytes."""
    data = make().certificate.public_bytes(Encoding.DER)
    changed = data.replace(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a850307010101"))
    text = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(changed).decode()}\n-----END CERTIFICATE-----"
    (made,) = certificates(text)
    assert (made.key.kind, made.key.data, made.has_usual_key_id) == ("1.2.643.7.1.1.1", b"", False)


def test_an_rsa_key_for_pss_alone_is_not_supported(tmp_path: Path) -> None:
    """Programs in Go do not read such a key. They do read a signature of RSASSA-PSS by any RSA key."""
    made = openssl_root(tmp_path, "-newkey", "rsa-pss")
    assert (made.key.kind, made.key.is_supported) == ("1.2.840.113549.1.1.10", False)
    made = openssl_root(tmp_path, "-newkey", "rsa", "-sigopt", "rsa_padding_mode:pss")
    assert (made.signed_with, made.has_strong_signature, made.is_signed_by(made)) == (
        "RSASSA_PSS_WITH_SHA256",
        True,
        True,
    )
    made = openssl_root(tmp_path, "-newkey", "rsa", "-sigopt", "rsa_padding_mode:pss", "-sha1")
    assert (made.signed_with, made.has_strong_signature) == ("RSASSA_PSS_WITH_SHA1", False)


def openssl_root(folder: Path, *options: str) -> Certificate:
    """A certificate that OpenSSL makes."""
    command = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", str(folder / "key"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return certificates(done.stdout)[0]


def certificate_for(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """A certificate for a key of any kind."""
    by, now = root(), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name_of("CN=x")).issuer_name(by.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(1).not_valid_before(now).not_valid_after(now + DAY)
    return pem(builder.sign(by.key, hashes.SHA256()))


def test_what_is_no_key_has_an_error_without_its_text() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
    good = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    cut = (
        "-----BEGIN PRIVATE KEY-----\n"
        + base64.b64encode(b"0\x82\x01\x00secret").decode()
        + "\n-----END PRIVATE KEY-----"
    )
    for text in (cut, good + good, good.replace("M", "!"), "", pem(root().certificate)):
        with pytest.raises(ValueError, match=r"^is not a private key that the program can read$"):
            public_key_of(text)
    with pytest.raises(ValueError, match=r"^is protected by a passphrase$"):
        public_key_of(locked)


@pytest.mark.parametrize("path_length", [None, 0, 3])
def test_what_a_certificate_says(path_length: int | None) -> None:
    by = root()
    made = make("C=DE,O=Org,OU=Unit,CN=One two", by, path_length=path_length, ends=400 * DAY, more=[SERVERS_ONLY])
    first, last = certificates(f"a comment\n{made.chain}")
    known = made.certificate
    assert (first.not_before, first.not_after) == (known.not_valid_before_utc, known.not_valid_after_utc)
    assert (first.is_authority, first.path_length, first.may_sign) == (True, path_length, True)
    assert first.uses == {"1.3.6.1.5.5.7.3.1"} and last.uses is None
    assert first.subject.encoded == known.subject.public_bytes()
    assert first.pem == pem(known)
    identifier = x509.SubjectKeyIdentifier.from_public_key(made.key.public_key()).digest
    assert (first.key_id, first.issuer_key_id) == (identifier, last.key_id)
    assert first.names_as_issuer(last) and not last.names_as_issuer(first)
    assert first.is_signed_by(last) and last.is_signed_by(last) and not first.is_signed_by(first)
    assert first.has_usual_key_id


def test_a_leaf_is_no_authority() -> None:
    (leaf,) = certificates(make(authority=False, signs=False).chain)
    assert (leaf.is_authority, leaf.may_sign) == (False, False)
    (bare,) = certificates(make(signs=None, key_id=b"").chain)
    assert (bare.may_sign, bare.key_id, bare.has_usual_key_id) == (False, b"", False)


def test_the_name_of_a_certificate_begins_with_its_most_specific_part() -> None:
    (found,) = certificates(make("DC=org,O=Org,CN=x", utf8=True).chain)
    assert str(found.subject) == "CN=x,O=Org,DC=org"
    (found,) = certificates(make("CN=one\nline", utf8=True).chain)
    assert str(found.subject) == "CN=one?line"


@pytest.mark.parametrize(
    ("subject", "utf8", "is_plain"),
    [
        ("CN=x", False, True),
        ("C=DE,O=Org,OU=Unit,CN=x", False, True),
        ("O=Org,C=DE,CN=x", False, False),
        ("O=Org,CN=x", True, False),
        ("O=Org_1", True, True),
        ("OU=a,OU=b,CN=x", False, False),
        ("DC=org,CN=x", False, False),
    ],
)
def test_names_that_the_program_can_write(subject: str, utf8: bool, is_plain: bool) -> None:
    (found,) = certificates(make(subject, utf8=utf8).chain)
    assert found.subject.encoded == name_of(subject, utf8=utf8).public_bytes()
    assert found.subject.is_plain == is_plain


def test_the_identity_is_that_of_key_subject_and_key_identifier() -> None:
    made = intermediate()
    again = make("O=Org,CN=Org Kubernetes CA", root(), key=made.key, ends=10 * DAY)
    others = [
        make("O=Org,CN=Org Kubernetes CA", root()),
        make("O=Org,CN=another", root(), key=made.key),
        make("O=Org,CN=Org Kubernetes CA", root(), key=made.key, key_id=b"another"),
    ]
    identities = [certificates(one.chain)[0].identity for one in (made, again, *others)]
    assert identities[0] == identities[1]
    assert len({*identities}) == 1 + len(others)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no block", "has no block CERTIFICATE"),
        ("-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----", r"\(number 1\) that is not"),
        (f"{pem(root().certificate)}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", r"\(number 2\)"),
        (f"{pem(root().certificate)}{make().private}", "has a block PRIVATE KEY"),
    ],
)
def test_what_is_no_certificate(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certificates(text)


def test_no_cut_certificate_is_read() -> None:
    data = root().certificate.public_bytes(Encoding.DER)
    for length in range(0, len(data), 7):
        text = base64.b64encode(data[:length]).decode()
        with pytest.raises(ValueError, match="is not a certificate"):
            certificates(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----")
