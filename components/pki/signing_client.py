"""Gets one certificate from a signing service: `python -m components.pki.signing_client`, on the operator's machine.

Standard input is the request, as JSON (`components/pki/service.py`), so that the authentication key is in no command
line. Standard output is the certificate with its end, as JSON. If the last run printed a certificate for the same
draft, then the program prints that certificate again and does not connect to the service.

The interface of the service is that of `cfssl serve`:
https://github.com/cloudflare/cfssl/blob/v1.6.5/doc/api/endpoint_authsign.txt
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import ssl
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from components.pki.inventory import RFC3339
from components.pki.signed import wrong_content, wrong_time
from components.x509 import certificates

PATH = "/api/v1/cfssl/authsign"
TIMEOUT = 20
"""Seconds that the service has for each step of a connection."""
LAST = "PULUMI_COMMAND_STDOUT"
"""The variable in which the provider passes the output of the last run; not set in the first run."""
_LONGEST_ANSWER = 1 << 20
_LONGEST_MESSAGE = 200

Request = Mapping[str, str]
"""`name` of the leaf, `path` on the page, `url`, `caBundle`, `authKey`, `label`, `profile`, `request` (PEM), `draft`
(PEM), `lifetime` (the path of the lifetime on the page), `authority` (PEM, its chain)."""


class ServiceError(Exception):
    """The service gave no certificate that can be used. The text says why, in one sentence without a full stop."""


def body(request: Request) -> bytes:
    """The body of a request, with the token by which the service knows the sender (HMAC with SHA-256)."""
    wanted = {"certificate_request": request["request"], "profile": request["profile"], "label": request["label"]}
    inner = json.dumps(wanted).encode()
    token = hmac.digest(bytes.fromhex(request["authKey"]), inner, "sha256")
    return json.dumps({"token": _base64(token), "request": _base64(inner)}).encode()


def asked(request: Request) -> str:
    """The certificate that the service returns, in PEM. Raises ServiceError."""
    parts = urlsplit(request["url"])
    context = ssl.create_default_context(cadata=request["caBundle"])
    # The bundle may be an intermediate authority without its root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Not with urllib: it would follow redirects, and send the token to another host.
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT, context=context)
    try:
        connection.request("POST", parts.path + PATH, body(request), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return certificate_in(answer.status, answer.read(_LONGEST_ANSWER), request)
    except ssl.SSLCertVerificationError as error:
        raise ServiceError(f"caBundle does not verify its server certificate: {error.verify_message}") from None
    except TimeoutError:
        raise ServiceError(f"it does not answer within {TIMEOUT} s") from None
    except OSError as error:
        raise ServiceError(f"no connection is possible: {error.strerror or error}") from None
    except http.client.HTTPException as error:
        raise ServiceError(f"it does not answer as a web server does: {type(error).__name__}") from None
    finally:
        connection.close()


def certificate_in(status: int, answer: bytes, request: Request) -> str:
    """The certificate in an answer. Raises ServiceError, with the message of the service if there is one."""
    try:
        data = json.loads(answer)
        if data["success"]:
            return str(data["result"]["certificate"])
        message = _line(str(data["errors"][0]["message"]))
    except (ValueError, KeyError, TypeError, IndexError):
        raise ServiceError(f"it answers with the status {status}, and not as cfssl does") from None
    profile = f"the profile {request['profile']!r}"
    if "invalid token" in message:
        raise ServiceError(f"it refuses the authentication key of {profile}: authKey is not the key of the service")
    if "no authentication provider" in message or "profile must not be nil" in message:
        raise ServiceError(f"it has no {profile.removeprefix('the ')} with an authentication key")
    raise ServiceError(f"it refuses to sign with {profile}: {message}")


def kept(request: Request, last: str) -> str | None:
    """The certificate that the last run printed, if nothing has changed that needs another one."""
    try:
        data = json.loads(last)
        certificate, digest = str(data["certificate"]), data["draft"]
    except (ValueError, KeyError, TypeError):
        return None
    fits = digest == digest_of(request) and not wrong_content(certificate, request["draft"], request["authority"])
    return certificate if fits else None


def fresh(request: Request) -> str:
    """A new certificate that has everything that was asked for, in PEM. Raises ServiceError."""
    certificate, now = asked(request), datetime.now(UTC)
    wrong = wrong_content(certificate, request["draft"], request["authority"])
    if wrong:
        raise ServiceError(f"{wrong} (profile {request['profile']!r})")
    wrong = wrong_time(certificate, request["draft"], now)
    if wrong:
        raise ServiceError(f"{wrong} ({request['lifetime']}): give the profile {request['profile']!r} this expiry")
    return certificate


def digest_of(request: Request) -> str:
    """What stands for the draft in the output."""
    return hashlib.sha256(request["draft"].encode()).hexdigest()


def output(request: Request, certificate: str) -> str:
    """What the program prints."""
    (one,) = certificates(certificate)
    result = {"certificate": one.pem, "notAfter": one.not_after.strftime(RFC3339), "draft": digest_of(request)}
    return json.dumps(result, sort_keys=True)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _line(text: str) -> str:
    """Text of the service in one short line."""
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_MESSAGE]


def main() -> int:
    """Read the request, get the certificate, print it. Returns the exit code."""
    request: Request = json.load(sys.stdin)
    try:
        certificate = kept(request, os.environ.get(LAST, "")) or fresh(request)
    except ServiceError as error:
        print(
            f"{request['path']}: {request['url']} gives no certificate for {request['name']}: {error}. Certificates "
            "that exist stay in use; repair this and run `make up` again",
            file=sys.stderr,
        )
        return 1
    print(output(request, certificate))
    return 0


if __name__ == "__main__":
    sys.exit(main())
