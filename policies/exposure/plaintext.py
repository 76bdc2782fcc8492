"""Rules about plain HTTP connections to etcd and the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import Severity

from policies import payload
from policies.item import Item, texts_in
from policies.rule import About, Rule, Settings, resource_rule, stack_rule

_COMMANDS = ("command:remote:Command", "command:local:Command")
_LISTENERS = ("aws:lb/listener:Listener", "aws:alb/listener:Listener")
_TARGETS = ("aws:lb/targetGroup:TargetGroup", "aws:alb/targetGroup:TargetGroup")
_PROVIDER = "pulumi:providers:kubernetes"
_PORTS = (2379, 2380, 6443)

# A flag with a URL of etcd or of the API server, or the variable of etcd for this flag. Flags for metrics are not
# listed, because metrics contain no secrets.
_FLAG = re.compile(
    r"(?P<flag>--(?:listen-client|listen-peer|advertise-client|initial-advertise-peer)-urls|--initial-cluster"
    r"|--etcd-servers(?:-overrides)?|--endpoints|ETCD_(?:LISTEN|ADVERTISE|INITIAL)_[A-Z_]+|ETCDCTL_ENDPOINTS)"
    r"[= ][\"']?[^\s\"']*?(?P<url>(?i:http)://[^\s\"',;|&]+)"
)
_INSECURE = re.compile(r"[\"']?insecure-skip-tls-verify[\"']?:\s*[\"']?true\b", re.IGNORECASE)
_SERVER = re.compile(r"[\"']?server[\"']?:\s*[\"']?(?P<url>(?i:http)://[^\s\"',;|&]+)")
_ANY = re.compile(rf"(?P<url>(?i:http)://[^\s\"',;|&/]+:(?:{'|'.join(map(str, _PORTS))})\b)")
_DO = "Use https, because every Secret of the cluster goes through etcd and the API."


def plain_http(item: Item, _: Settings) -> Iterator[str]:
    """Finds plain HTTP in commands, in files of releases, in kubeconfigs, and at load balancers."""
    if item.type in _LISTENERS or item.type in _TARGETS:
        port, protocol = item.number("port"), item.text("protocol")
        if protocol == "HTTP" and port in _PORTS:
            yield f"{item.name}: protocol HTTP on port {port:g}. {_DO}"
        return
    if item.type == _PROVIDER and _INSECURE.search(item.text("kubeconfig") or ""):
        yield f"{item.name}: kubeconfig: insecure-skip-tls-verify is true, so anybody may pretend to be the API. {_DO}"
    for where, text in _texts(item):
        for what in sorted(_findings(text)):
            yield f"{item.name}: {where}: {what}. {_DO}"


def _texts(item: Item) -> Iterator[tuple[str, str]]:
    if item.type == _PROVIDER:
        yield "kubeconfig", item.text("kubeconfig") or ""
        return
    for name in ("create", "update", "delete", "environment", "interpreter", "triggers"):
        yield from texts_in(item.props.get(name), name)
    yield from payload.texts(item.text("stdin")).items()


def _findings(text: str) -> set[str]:
    flags = {f"{match['flag']} has {match['url']}" for match in _FLAG.finditer(text)}
    servers = {f"server is {match['url']}" for match in _SERVER.finditer(text)}
    # Other URLs with a port of etcd or of the API. If a flag contains the URL, then only the flag is reported.
    rest = {match["url"] for match in _ANY.finditer(text)}
    return flags | servers | {url for url in rest if not any(url in found for found in flags | servers)}


def plain_endpoint(items: Sequence[Item], _: Settings) -> Iterator[tuple[str, str]]:
    """Finds plain HTTP endpoints in the outputs of the stack and of its components."""
    for item in items:
        if item.type == "pulumi:pulumi:Stack" or item.type.startswith("hardway:"):
            for url in _urls(item.props):
                yield item.urn, f"{item.name}: the endpoint {url} is plain http. {_DO}"


def _urls(outputs: Mapping[str, Any]) -> Iterator[str]:
    for name in ("endpoint", "endpoints"):
        value = outputs.get(name)
        values = value if isinstance(value, list) else [value]
        yield from (url for url in values if isinstance(url, str) and url.lower().startswith("http://"))


RULES: list[Rule] = [
    resource_rule(
        About("plain-http", "Connections to etcd and the API use TLS.", {}, Severity.CRITICAL),
        [*_COMMANDS, *_LISTENERS, *_TARGETS, _PROVIDER],
        plain_http,
    ),
    stack_rule(
        About("plain-http-endpoint", "The endpoints of etcd and of the API are https URLs.", {}, Severity.CRITICAL),
        plain_endpoint,
    ),
]
