"""Connections to the API with a client certificate, for measurements: one request at a time over one connection."""

import http.client
import json
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.e2e.support.kubeconfig import Credentials

_ANSWER_SECONDS = 30
MERGE = "application/merge-patch+json"


def connect(url: str, credentials: Credentials) -> http.client.HTTPSConnection:
    """A connection to the server of `url`. It is opened by the first request, and again after `close`."""
    trusted = ssl.create_default_context(cafile=str(credentials.ca))
    trusted.load_cert_chain(credentials.cert, credentials.key)
    return http.client.HTTPSConnection(urlsplit(url).netloc, timeout=_ANSWER_SECONDS, context=trusted)


def send(
    connection: http.client.HTTPSConnection, method: str, path: str, body: Mapping[str, object] | None = None
) -> int:
    """Send a request and read the whole answer. Returns its status; raises OSError or HTTPException without one."""
    kind = MERGE if method == "PATCH" else "application/json"
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, {"Content-Type": kind} if body is not None else {})
    answer = connection.getresponse()
    answer.read()
    return answer.status
