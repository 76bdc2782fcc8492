"""Whether publishers of release files and registries of images answer from this machine."""

from __future__ import annotations

import threading
import time
import urllib.error
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from components.artifacts import web

SECONDS = 3.0
"""The time in which all of them have to answer. They are asked at the same time."""

_HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"
_NEEDS_TOKEN = 401
_FIRST_BYTE = {"Range": "bytes=0-0"}


def registry_url(host: str) -> str:
    """The base URL of a registry's API, from the host in the name of an image."""
    scheme = "http" if host.startswith("127.0.0.1:") else "https"
    return f"{scheme}://{_HUB_HOST if host == _HUB else host}/v2"


def questions(files: Iterable[str], images: Iterable[str]) -> dict[str, str]:
    """What to ask, by host: one file of each publisher, because a redirect may lead to another host, and each registry.

    `files` are URLs of release files, `images` are references of images.
    """
    asked: dict[str, str] = {}
    for url in files:
        asked.setdefault(urlsplit(url).netloc, url)
    for image in images:
        url = f"{registry_url(image.partition('/')[0])}/"
        asked.setdefault(urlsplit(url).netloc, url)
    return asked


def unreachable(asked: Mapping[str, str], proxy: web.ProxyOf | None = None, seconds: float = SECONDS) -> dict[str, str]:
    """The hosts that gave no usable answer within `seconds`, and why. Empty if all of them answered.

    A file has to be there (a proxy that refuses everything also answers). A registry may ask for a token.
    """
    found: dict[str, str | None] = {}

    def ask(host: str, url: str) -> None:
        found[host] = _problem(url, proxy, seconds)

    # Daemon threads, because the resolver of names has no limit of its own.
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in asked.items()]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {seconds:g} s"
    answers = {host: found.get(host, late) for host in asked}
    return {host: problem for host, problem in answers.items() if problem}


def _problem(url: str, proxy: web.ProxyOf | None, seconds: float) -> str | None:
    try:
        with web.get(url, _FIRST_BYTE, seconds, proxy):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code == _NEEDS_TOKEN and urlsplit(url).path == "/v2/" else web.why(url, error)
    except web.FAILURES as error:
        return web.why(url, error)
