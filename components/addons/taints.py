"""Removes the taints of a node whose last taint left the page: the Kubernetes provider cannot do that.

The provider drops an empty list from what it applies. Server-side apply then gives up the list instead of emptying the
list, and the API keeps a list that has another owner. Each time a node is not ready, the node controller becomes an
owner: it writes the whole list. So these taints are removed by name, right before the provider updates the node.
No other list of an object of the program has a second writer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pulumi

from components.object_options import FIELD_MANAGER

TIMEOUT = 20
"""Seconds that the API has for each step of a request."""
_ATTEMPTS = 10
_NOT_FOUND, _CONFLICT = 404, 409

Taints = Collection[tuple[str, str]]
"""Key and effect of taints. A node has each pair once."""


class TaintsError(Exception):
    """The taints stay. The text names the node and says why."""


def removal_of_taints(kubeconfig: pulumi.Output[str]) -> pulumi.ResourceHook:
    """What has to run before each update of a Node object. `kubeconfig` may change nodes.

    An error fails the update, so the next `up` tries again. A preview does not run the hook.
    """

    async def remove(args: pulumi.ResourceHookArgs) -> None:
        gone = taints_to_remove(args.old_inputs or {}, args.new_inputs or {})
        if gone:
            text = await kubeconfig.future()
            # In a thread, because the program goes on meanwhile.
            await asyncio.to_thread(remove_taints, text or "", (args.new_inputs or {})["metadata"]["name"], gone)

    return pulumi.ResourceHook("remove-taints", remove)


def taints_to_remove(old: Mapping[str, Any], new: Mapping[str, Any]) -> Taints:
    """The taints of the old inputs of a Node object if the new inputs have none, else nothing.

    A list that is not empty reaches the API: the provider takes the list from every other owner.
    """
    return () if _taints(new) else tuple((taint["key"], taint["effect"]) for taint in _taints(old))


def remove_taints(kubeconfig: str, node: str, gone: Taints) -> None:
    """Remove the taints `gone`, and leave all other taints. Raises TaintsError."""
    try:
        server, api = _connection(kubeconfig)
        for _ in range(_ATTEMPTS):
            if _try_to_remove(api, f"{server}/api/v1/nodes/{node}", gone):
                return
        why = "the node changes all the time"
    except urllib.error.HTTPError as error:
        why = f"the API answers with status {error.code}"
    except OSError as error:
        why = f"no connection to the API is possible: {getattr(error, 'reason', error)}"
    named = ", ".join(f"{key}:{effect}" for key, effect in gone)
    raise TaintsError(f"node {node}: taints that left the page cannot be removed ({named}): {why}; run `make up` again")


def _try_to_remove(api: urllib.request.OpenerDirector, url: str, gone: Taints) -> bool:
    """Whether the taints are gone. False if the node changed meanwhile."""
    try:
        found = _ask(api, url)
        taints = _taints(found)
        kept = [taint for taint in taints if (taint["key"], taint["effect"]) not in gone]
        if len(kept) < len(taints):
            version = found["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": kept or None}}
            _ask(api, f"{url}?fieldManager={FIELD_MANAGER}", patch)
    except urllib.error.HTTPError as error:
        if error.code == _CONFLICT:
            return False
        # Without an object there is nothing to remove; the provider says what happened to the object.
        if error.code != _NOT_FOUND:
            raise
    return True


def _taints(node: Mapping[str, Any]) -> list[dict[str, str]]:
    taints: list[dict[str, str]] = (node.get("spec") or {}).get("taints") or []
    return taints


def _ask(api: urllib.request.OpenerDirector, url: str, patch: object = None) -> Any:
    """The answer to a question, or to a change if there is a merge patch. Raises HTTPError and OSError."""
    body, method = (None, "GET") if patch is None else (json.dumps(patch).encode(), "PATCH")
    kind = {"Content-Type": "application/merge-patch+json"}
    # The URL is that of the program's own kubeconfig.
    request = urllib.request.Request(url, body, kind, method=method)  # noqa: S310
    with api.open(request, timeout=TIMEOUT) as answer:
        return json.load(answer)


class _Context(ssl.SSLContext):
    """Verifies the name that the kubeconfig gives the server, if there is one."""

    name = ""

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **(options | ({"server_hostname": self.name} if self.name else {})))


def _connection(kubeconfig: str) -> tuple[str, urllib.request.OpenerDirector]:
    """The URL of the API, and what opens requests with the client certificate of a kubeconfig of the program."""
    content = json.loads(kubeconfig)
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.name = cluster.get("tls-server-name", "")
    context.load_verify_locations(cadata=_text(cluster["certificate-authority-data"]))
    # The bundle may be an intermediate authority without its root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with tempfile.TemporaryDirectory() as folder:
        # The module ssl reads the pair from a file only. Nobody else can read the folder.
        pair = Path(folder, "pair.pem")
        pair.write_text(_text(user["client-key-data"]) + _text(user["client-certificate-data"]))
        context.load_cert_chain(pair)
    return cluster["server"], urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def _text(data: str) -> str:
    return base64.b64decode(data).decode()
