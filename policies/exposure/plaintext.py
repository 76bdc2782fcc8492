"""etcd and the API over plain HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import Policy, Severity

from policies import payload
from policies.item import Item
from policies.rule import About, Settings, resource_rule, stack_rule

_COMMANDS = ("command:remote:Command", "command:local:Command")
_LISTENERS = ("aws:lb/listener:Listener", "aws:alb/listener:Listener")
_TARGETS = ("aws:lb/targetGroup:TargetGroup", "aws:alb/targetGroup:TargetGroup")
_PROVIDER = "pulumi:providers:kubernetes"
_PORTS = (2379, 2380, 6443)

# A flag of etcd or of the API server, or etcd's variable for it, with a URL. Metrics on loopback are no secret.
_FLAG = re.compile(
    r"(?P<flag>--(?:listen-client|listen-peer|advertise-client|initial-advertise-peer)-urls|--initial-cluster"
    r"|--etcd-servers(?:-overrides)?|--endpoints|ETCD_(?:LISTEN|ADVERTISE|INITIAL)_[A-Z_]+|ETCDCTL_ENDPOINTS)"
    r"[= ][\"']?[^\s\"']*?(?P<url>http://[^\s\"',;|&]+)"
)
_SERVER = re.compile(r"[\"']?server[\"']?:\s*[\"']?(?P<url>http://[^\s\"',;|&]+)")
_ANY = re.compile(rf"(?P<url>http://[^\s\"',;|&/]+:(?:{'|'.join(map(str, _PORTS))})\b)")
_DO = "Use https; etcd and the API carry every Secret of the cluster."


def plain_http(item: Item, _: Settings) -> Iterator[str]:
    """Plain HTTP in commands, in the files of releases, in kubeconfigs, and at load balancers."""
    if item.type in _LISTENERS or item.type in _TARGETS:
        port, protocol = item.number("port"), item.text("protocol")
        if protocol == "HTTP" and port in _PORTS:
            yield f"{item.name}: protocol HTTP on port {port:g}. {_DO}"
        return
    for where, text in _texts(item):
        for what in sorted(_findings(text)):
            yield f"{item.name}: {where}: {what}. {_DO}"


def _texts(item: Item) -> Iterator[tuple[str, str]]:
    if item.type == _PROVIDER:
        yield "kubeconfig", item.text("kubeconfig") or ""
        return
    for name in ("create", "update", "delete"):
        yield name, item.text(name) or ""
    yield from payload.files(item.text("stdin")).items()


def _findings(text: str) -> set[str]:
    flags = {f"{match['flag']} has {match['url']}" for match in _FLAG.finditer(text)}
    servers = {f"server is {match['url']}" for match in _SERVER.finditer(text)}
    # Whatever else names a port of etcd or the API; the flag says more where there is one.
    rest = {match["url"] for match in _ANY.finditer(text)}
    return flags | servers | {url for url in rest if not any(url in found for found in flags | servers)}


def plain_endpoint(items: Sequence[Item], _: Settings) -> Iterator[tuple[str, str]]:
    """Endpoints in the outputs of the stack and of its components."""
    for item in items:
        if item.type == "pulumi:pulumi:Stack" or item.type.startswith("hardway:"):
            for url in _urls(item.props):
                yield item.urn, f"{item.name}: the endpoint {url} is plain http. {_DO}"


def _urls(outputs: Mapping[str, Any]) -> Iterator[str]:
    for name in ("endpoint", "endpoints"):
        value = outputs.get(name)
        values = value if isinstance(value, list) else [value]
        yield from (url for url in values if isinstance(url, str) and url.startswith("http://"))


RULES: list[Policy] = [
    resource_rule(
        About("plain-http", "etcd and the API are reached by TLS only.", {}, Severity.CRITICAL),
        [*_COMMANDS, *_LISTENERS, *_TARGETS, _PROVIDER],
        plain_http,
    ),
    stack_rule(
        About("plain-http-endpoint", "The endpoints of etcd and of the API are https.", {}, Severity.CRITICAL),
        plain_endpoint,
    ),
]
