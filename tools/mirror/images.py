"""Downloads images by digest from their registries into a mirror."""

import json
import time
import urllib.error
from collections.abc import Iterable, Mapping
from typing import Any

from components.artifacts import web
from components.artifacts.reach import registry_url
from components.machines.mirror_server import KINDS
from tools.common.errors import ToolError
from tools.common.progress import Progress
from tools.from_source.oci import INDEX, MANIFEST
from tools.from_upstream import published
from tools.mirror.download import SILENCE_SECONDS, Wanted, fetch, sha256_of
from tools.mirror.folder import INDEXES, Mirror, of_platforms, parts

_TOKEN_SECONDS = 45.0
"""Shorter than the shortest life of a token that the distribution registry gives, 60 s."""


class Source:
    """The repository of an image in its registry, and the token that the registry wants."""

    def __init__(self, reference: str, proxy: web.ProxyOf | None = None) -> None:
        host, _, self._repository = reference.rpartition(":")[0].partition("/")
        self._url = f"{registry_url(host)}/{self._repository}"
        self._proxy = proxy
        self._headers: Mapping[str, str] = {}
        self._token_url, self._token_ends = "", 0.0

    def manifest(self, digest: str) -> tuple[bytes, str]:
        """A manifest or an index, and its media type. Raises ToolError, also if the digest is another one."""
        url = f"{self._url}/manifests/{digest}"
        try:
            content = self._get(url)
        except web.FAILURES as error:
            raise ToolError(f"cannot fetch {url}: {web.why(url, error)}") from None
        found = f"sha256:{sha256_of(content)}"
        if found != digest:
            raise ToolError(f"{url} has the digest {found}, the lock says {digest}")
        parsed = json.loads(content)
        # The field is optional in OCI's formats, and in these only.
        media_type = parsed.get("mediaType") or (INDEX if "manifests" in parsed else MANIFEST)
        if media_type not in KINDS:
            raise ToolError(f"{url} has the media type {media_type}; allowed: {', '.join(KINDS)}")
        return content, media_type

    def blob(self, part: Mapping[str, Any]) -> Wanted:
        """A layer or a configuration, to download."""
        digest = part["digest"]
        return Wanted(
            f"{self._url}/blobs/{digest}", digest.removeprefix("sha256:"), part.get("size"), self._current_token
        )

    def _get(self, url: str) -> bytes:
        try:
            return self._read(url, {"Accept": published.MANIFESTS, **self._headers})
        except urllib.error.HTTPError as refusal:
            asked = published.token_url(refusal, url, self._repository)
            if asked is None:
                raise
            self._token_url = asked
            return self._read(url, {"Accept": published.MANIFESTS, **self._current_token()})

    def _current_token(self) -> Mapping[str, str]:
        """The header with a token that is still valid. Tokens of registries are valid for minutes."""
        if self._token_url and time.monotonic() > self._token_ends:
            try:
                self._headers = published.authorization(self._read(self._token_url, {}))
            except web.FAILURES as error:
                raise ToolError(f"no token from {web.why(self._token_url, error)}") from None
            self._token_ends = time.monotonic() + _TOKEN_SECONDS
        return self._headers

    def _read(self, url: str, headers: Mapping[str, str]) -> bytes:
        with web.get(url, headers, SILENCE_SECONDS, self._proxy) as answer:
            body: bytes = answer.read()
            return body


def add_image(
    mirror: Mirror,
    reference: str,
    digest: str,
    architectures: Iterable[str],
    progress: Progress,
    proxy: web.ProxyOf | None = None,
) -> None:
    """Download an image for some architectures. Raises ToolError."""
    source = Source(reference, proxy)
    content, media_type = source.manifest(digest)
    manifests = [(digest, content, media_type)]
    if media_type in INDEXES:
        try:
            wanted = of_platforms(json.loads(content)["manifests"], architectures)
        except LookupError as error:
            raise ToolError(f"the image {reference} has {error.args[0]}") from None
        manifests += [(child, *source.manifest(child)) for child in wanted]
    for _, text, kind in manifests:
        if kind in INDEXES:
            continue
        for part in parts(text):
            fetch(source.blob(part), mirror.blob(part["digest"]), mirror.work, progress, proxy)
        mirror.add_parts(reference, text)
    # The index comes last: what names other parts is here only with these parts.
    for name, text, kind in reversed(manifests):
        mirror.add_manifest(reference, name, kind, text)
    mirror.finish_image(reference, digest)
