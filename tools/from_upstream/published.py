"""Reads what projects publish: digests beside release files, and manifests of images in registries.

What is asked for over https is never read over http, whatever a server redirects to.
"""

import hashlib
import json
import re
import urllib.error
import urllib.parse
from collections.abc import Mapping

from components.artifacts import web
from components.artifacts.reach import registry_url
from tools.common.errors import ToolError

_TIMEOUT_SECONDS = 30.0
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ", ".join(
    (
        *INDEXES,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class UnreadableError(ToolError):
    """A URL that cannot be read. `unreachable` is the host if it gave no answer at all, else empty."""

    def __init__(self, url: str, error: OSError) -> None:
        final = error.url if isinstance(error, urllib.error.HTTPError) else url
        led = f", which leads to {final.partition('?')[0]}," if final and final != url else ""
        super().__init__(f"cannot read {url}{led} ({error}): run `make lock` on a machine that reaches the internet")
        answered = isinstance(error, urllib.error.HTTPError)
        self.unreachable = "" if answered else urllib.parse.urlsplit(url).netloc


def file_digest(checksums: str, url: str) -> str:
    """The SHA-256 of a release file, from the file of digests that its project publishes."""
    name = url.rpartition("/")[2]
    lines = [line.split() for line in _read(checksums, {}).decode(errors="replace").splitlines() if line.strip()]
    named = [line[0] for line in lines if len(line) > 1 and line[-1].lstrip("*").rpartition("/")[2] == name]
    alone = [line[0] for line in lines if len(lines) == 1 and len(line) == 1]
    found = [digest.lower() for digest in named + alone if re.fullmatch(r"[0-9a-fA-F]{64}", digest)]
    if not found:
        raise ToolError(f"{checksums} contains no SHA-256 of {name}")
    return found[0]


def read(url: str) -> bytes:
    """The content of a small file. Raises UnreadableError."""
    return _read(url, {})


def image_digest(reference: str) -> str:
    """The digest of an image in its registry, `sha256:<hex>`, computed from its manifest or index."""
    return _digest(_manifest(reference))


def platform_digests(reference: str) -> dict[str, str]:
    """The digest of an image for each architecture of Linux, from its index. Empty if the image has no index."""
    entries = json.loads(_manifest(reference)).get("manifests", [])
    linux = [entry for entry in entries if entry.get("platform", {}).get("os") == "linux"]
    return {entry["platform"]["architecture"]: entry["digest"] for entry in linux}


def _manifest(reference: str) -> bytes:
    name, _, tag = reference.rpartition(":")
    host, _, repository = name.partition("/")
    url = f"{registry_url(host)}/{repository}/manifests/{tag}"
    headers = {"Accept": MANIFESTS}
    try:
        return _get(url, headers)
    except urllib.error.HTTPError as refusal:
        # Public registries require a token, also from anonymous clients.
        asked = token_url(refusal, url, repository)
        if asked is None:
            raise UnreadableError(url, refusal) from None
        return _read(url, headers | authorization(_read(asked, {})))
    except OSError as error:
        raise UnreadableError(url, error) from None


def token_url(refusal: urllib.error.HTTPError, url: str, repository: str) -> str | None:
    """Where a registry that refused a request wants a token to be asked for. None if it asks for none."""
    challenge = dict(re.findall(r'(\w+)="([^"]*)"', refusal.headers.get("WWW-Authenticate", "")))
    scheme = urllib.parse.urlsplit(url).scheme
    if refusal.code != 401 or not challenge.get("realm", "").startswith(f"{scheme}://"):
        return None
    return f"{challenge['realm']}?service={challenge.get('service', '')}&scope=repository:{repository}:pull"


def authorization(answer: bytes) -> dict[str, str]:
    """The header with the token that the answer of a token server contains."""
    token = json.loads(answer)
    return {"Authorization": f"Bearer {token.get('token') or token['access_token']}"}


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _read(url: str, headers: Mapping[str, str]) -> bytes:
    try:
        return _get(url, headers)
    except OSError as error:
        raise UnreadableError(url, error) from None


def _get(url: str, headers: Mapping[str, str]) -> bytes:
    with web.get(url, headers, _TIMEOUT_SECONDS) as answer:
        body: bytes = answer.read()
        return body
