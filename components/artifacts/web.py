"""HTTP as it is used for upstream's files: redirects, proxies, and what a failure says.

What is asked for over https is never read over http, whatever a server redirects to. The proxies are those of the page
if it names any, else those of the environment (`https_proxy`, `no_proxy`, ...).
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any

ProxyOf = Callable[[str], str | None]
"""The proxy for a URL; None if the server is reached directly."""

FAILURES = (OSError, HTTPException)
"""What a request or the read of an answer raises. An urllib.error.HTTPError is an OSError."""


_DOWNGRADE = "a redirect from https to anything else"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects: https stays https, and a token stays with the host that asked for it."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme != "https":
            raise urllib.error.HTTPError(newurl, code, _DOWNGRADE, headers, fp)
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None and urllib.parse.urlsplit(new.full_url).netloc != urllib.parse.urlsplit(req.full_url).netloc:
            new.remove_header("Authorization")
        return new


def get(url: str, headers: Mapping[str, str], seconds: float, proxy: ProxyOf | None = None) -> Any:
    """The answer to a GET, after redirects: a context manager whose `read` gives the body.

    `seconds` is the longest silence of the server. Without `proxy`, the environment decides. Raises one of FAILURES.
    """
    handlers: list[urllib.request.BaseHandler] = [_Redirects()]
    if proxy is not None:
        handlers.append(_PageProxy(proxy))
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - https, or a mirror of the page
    return urllib.request.build_opener(*handlers).open(request, timeout=seconds)


class _PageProxy(urllib.request.ProxyHandler):
    """Asks for the proxy of each URL, also of the URLs that redirects lead to. The environment does not count."""

    def __init__(self, proxy: ProxyOf) -> None:
        super().__init__({})
        self._proxy = proxy

    def _open(self, request: urllib.request.Request) -> None:
        found = self._proxy(request.full_url)
        if found:
            parts = urllib.parse.urlsplit(found)
            request.set_proxy(parts.netloc, parts.scheme)

    http_open = https_open = _open


def why(url: str, error: BaseException) -> str:
    """Why a request for a URL failed: which host answered what. Without queries of URLs, which may be credentials."""
    if isinstance(error, urllib.error.HTTPError):
        final = bare(error.url or url)
        if error.reason == _DOWNGRADE:
            return f"{bare(url)} leads to {final}, and what begins with https stays https"
        return f"{final} answered with the HTTP status {error.code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    host = urllib.parse.urlsplit(url).netloc
    return f"{host}: {str(reason) or type(reason).__name__}"


def bare(url: str) -> str:
    """A URL without its query."""
    return url.partition("?")[0]
