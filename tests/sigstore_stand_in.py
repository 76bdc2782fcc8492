"""A Sigstore instance of its own: an authority of short certificates, a log of certificates, a log of signatures.

It signs as `cosign sign-blob` does, and serves the log of signatures (Rekor, API version 1) over HTTP on 127.0.0.1. The
real program `sigstore` verifies the results with the trust configuration of this instance.
"""

import base64
import contextlib
import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
"""The issuer of the identity: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md"""
NAME = "log.test"


def _new() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The id of a log."""
    return hashlib.sha256(_der(key)).digest()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass
class Sigstore:
    """The keys of the instance, its authority, and what was signed."""

    authority_key: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    certificate_log: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    signature_log: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    bodies: list[bytes] = field(default_factory=list)
    """Entries of the log of signatures."""
    url: str = ""
    """Where the log of signatures is served."""

    def __post_init__(self) -> None:
        self.authority = self._certify_itself()

    def sign(
        self, content: bytes, identity: str, issuer: str, *, logged: bool = True, when: timedelta = timedelta()
    ) -> tuple[bytes, bytes]:
        """Sign a file as cosign does. Return what stands in `.sig` and `.cert`: base64 of the signature, and of PEM.

        `when` is the age of the certificate, which is valid for ten minutes.
        """
        key = _new()
        digest = hashlib.sha256(content).digest()
        signature = key.sign(digest, ec.ECDSA(Prehashed(SHA256())))
        certificate = self._certify(key, identity, issuer, datetime.now(UTC) - when)
        pem = certificate.public_bytes(Encoding.PEM)
        if logged:
            spec = {
                "signature": {"content": _text(signature), "publicKey": {"content": _text(pem)}},
                "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
            }
            self.bodies.append(_canonical({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}))
        return base64.b64encode(signature), base64.b64encode(pem)

    def found(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The answer of the log to a question for entries."""
        wanted = [entry["spec"] for entry in request["entries"]]
        return [self._entry(body) for body in self.bodies if json.loads(body)["spec"] in [_bare(one) for one in wanted]]

    def trust(self, path: Path) -> Path:
        """Write the trust configuration of this instance."""
        always = {"start": "2020-01-01T00:00:00Z"}

        def log(key: ec.EllipticCurvePrivateKey, url: str) -> dict[str, Any]:
            public = {"rawBytes": _text(_der(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": always}
            log_id = {"keyId": _text(_id(key))}
            return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": log_id}

        root = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.signature_log, self.url)],
            "ctlogs": [log(self.certificate_log, self.url)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "test", "commonName": "test"},
                    "uri": self.url,
                    "certChain": {"certificates": [{"rawBytes": _text(self.authority.public_bytes(Encoding.DER))}]},
                    "validFor": always,
                }
            ],
            "timestampAuthorities": [],
        }
        service = [{"url": self.url, "majorApiVersion": 1, "validFor": always, "operator": "test"}]
        signing = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            **dict.fromkeys(("caUrls", "oidcUrls", "rekorTlogUrls", "tsaUrls"), service),
            **{name: {"selector": "ANY"} for name in ("rekorTlogConfig", "tsaConfig")},
        }
        kind = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
        path.write_text(json.dumps({"mediaType": kind, "trustedRoot": root, "signingConfig": signing}))
        return path

    def _entry(self, body: bytes) -> dict[str, Any]:
        """An entry with its promise, and the proof that the log has it: each entry is alone in its log."""
        root = hashlib.sha256(b"\x00" + body).digest()
        note = f"{NAME}\n1\n{_text(root)}\n"
        signed = _id(self.signature_log)[:4] + self.signature_log.sign(note.encode(), ec.ECDSA(SHA256()))
        entry: dict[str, Any] = {
            "body": _text(body),
            "integratedTime": int(datetime.now(UTC).timestamp()),
            "logID": _id(self.signature_log).hex(),
            "logIndex": 0,
        }
        promise = self.signature_log.sign(_canonical(entry), ec.ECDSA(SHA256()))
        proof = {
            "logIndex": 0,
            "rootHash": root.hex(),
            "treeSize": 1,
            "hashes": [],
            "checkpoint": f"{note}\n\u2014 {NAME} {_text(signed)}\n",
        }
        return {
            root.hex(): {**entry, "verification": {"signedEntryTimestamp": _text(promise), "inclusionProof": proof}}
        }

    def _certify_itself(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        usage = x509.KeyUsage(
            **{n: n in ("key_cert_sign", "crl_sign") for n in _USAGES}  # what an authority does
        )
        now = datetime.now(UTC)
        public = self.authority_key.public_key()
        return (
            x509.CertificateBuilder(name, name, public, x509.random_serial_number())
            .not_valid_before(now - timedelta(days=365))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority_key, SHA256())
        )

    def _certify(
        self, key: ec.EllipticCurvePrivateKey, identity: str, issuer: str, start: datetime
    ) -> x509.Certificate:
        """A certificate for ten minutes, with the receipt of the log of certificates (RFC 6962, 3.2 and 3.3)."""
        usage = x509.KeyUsage(**{n: n == "digital_signature" for n in _USAGES})
        authority = self.authority_key.public_key()
        builder = (
            x509.CertificateBuilder(
                self.authority.subject, x509.Name([]), key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(start - timedelta(seconds=5))
            .not_valid_after(start + timedelta(minutes=10))
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(identity)]), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
            .add_extension(x509.UnrecognizedExtension(ISSUER_EXTENSION, issuer.encode()), critical=False)
        )
        # The log signs the certificate without the receipt; the library leaves any receipt out.
        draft = builder.add_extension(_receipts(b"\x00"), critical=False).sign(self.authority_key, SHA256())
        milliseconds = int(start.timestamp() * 1000)
        body = draft.tbs_precertificate_bytes
        issuer_hash = hashlib.sha256(_der(self.authority_key)).digest()
        entry = issuer_hash + len(body).to_bytes(3, "big") + body
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + struct.pack("!H", 0)
        signature = self.certificate_log.sign(signed, ec.ECDSA(SHA256()))
        receipt = b"\x00" + _id(self.certificate_log) + struct.pack("!QHBBH", milliseconds, 0, 4, 3, len(signature))
        return builder.add_extension(_receipts(receipt + signature), critical=False).sign(self.authority_key, SHA256())


_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _receipts(receipt: bytes) -> x509.UnrecognizedExtension:
    """The extension with a list of one receipt: lengths of two bytes, inside of an OCTET STRING."""
    one = struct.pack("!H", len(receipt)) + receipt
    content = struct.pack("!H", len(one)) + one
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
    return x509.UnrecognizedExtension(oid, b"\x04" + length + content)


def _canonical(value: object) -> bytes:
    """RFC 8785, as far as ASCII text and whole numbers need it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _bare(spec: dict[str, Any]) -> dict[str, Any]:
    """A question of the program names optional fields, too."""
    signature = spec["signature"]
    public = {"content": signature["publicKey"]["content"]}
    data = {"hash": {name: spec["data"]["hash"][name] for name in ("algorithm", "value")}}
    return {"signature": {"content": signature["content"], "publicKey": public}, "data": data}


@contextlib.contextmanager
def serving(instance: Sigstore) -> Iterator[Sigstore]:
    """Serve the log of signatures."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/api/v1/log/entries/retrieve/", self.path
            body = json.dumps(instance.found(request)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        instance.url = f"http://127.0.0.1:{server.server_port}"
        yield instance
        server.shutdown()
