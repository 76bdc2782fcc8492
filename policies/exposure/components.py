"""A rule about the flags and the configuration files with which the components of a node start."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pulumi_policy import Severity

from policies import payload
from policies.item import Item
from policies.rule import About, Rule, Setting, Settings, resource_rule

_COMMANDS = ("command:remote:Command", "command:local:Command")
_EXEC = re.compile(r"(?m)^[ \t]*ExecStart[ \t]*=((?:.*\\\n)*.*)$")
_ROOT = "/opt/kubernetes/"
_HEALTH = ["/livez", "/readyz", "/healthz"]


@dataclass(frozen=True)
class Limit:
    """The values that a flag or a field may have; each entry of a list counts. `must` says whether it has to be set."""

    values: frozenset[str] | None = None
    must: bool = False

    def problem(self, found: Sequence[str]) -> str:
        """What is wrong with the values that were found, and what is allowed; empty if nothing is."""
        allowed = "any value" if self.values is None else " or ".join(sorted(self.values))
        if not found:
            return f"is not set; allowed: {allowed}" if self.must else ""
        wrong = [text for text in found if not text or (self.values is not None and not self._fits(text))]
        return f"is {wrong[0]!r}; allowed: {allowed}" if wrong else ""

    def _fits(self, text: str) -> bool:
        return self.values is not None and set(text.split(",")) <= self.values


_SET = Limit(must=True)


def _may_be(*values: str) -> Limit:
    return Limit(frozenset(values))


def _is(*values: str) -> Limit:
    return Limit(frozenset(values), must=True)


_TLS = _may_be("VersionTLS12", "VersionTLS13")
_FLAGS: Mapping[str, Mapping[str, Limit]] = {
    "kube-apiserver": {
        "client-ca-file": _SET,
        "audit-policy-file": _SET,
        "encryption-provider-config": _SET,
        "etcd-cafile": _SET,
        "kubelet-certificate-authority": _SET,
        "authorization-mode": _may_be("Node", "RBAC", "Webhook"),
        "tls-min-version": _TLS,
    },
    "kube-controller-manager": {"use-service-account-credentials": _is("true"), "tls-min-version": _TLS},
    "kube-scheduler": {"tls-min-version": _TLS},
    "kubelet": {
        "config": _SET,
        "anonymous-auth": _may_be("false"),
        "authentication-token-webhook": _may_be("true"),
        "authorization-mode": _may_be("Webhook"),
        "read-only-port": _may_be("0"),
        "tls-min-version": _TLS,
    },
    "etcd": {
        "client-cert-auth": _is("true"),
        "peer-client-cert-auth": _is("true"),
        "trusted-ca-file": _SET,
        "peer-trusted-ca-file": _SET,
        "auto-tls": _may_be("false"),
        "peer-auto-tls": _may_be("false"),
        "tls-min-version": _may_be("TLS1.2", "TLS1.3"),
    },
}
"""Flags by component. A flag that is not set has the default of its program."""
_KUBELET = {
    "authentication.anonymous.enabled": _is("false"),
    "authentication.webhook.enabled": _may_be("true"),
    "authentication.x509.clientCAFile": _SET,
    "authorization.mode": _is("Webhook"),
    "readOnlyPort": _may_be("0"),
    "tlsMinVersion": _TLS,
}
"""Fields of the KubeletConfiguration."""
_STARTS = re.compile(rf"(?:^|[/\s;&|(])({'|'.join(_FLAGS)})\s+-")


def open_component(item: Item, settings: Settings) -> Iterator[str]:
    """Finds components of a release that let somebody in without a certificate or a right, or that nobody can judge."""
    files = payload.files(item.text("stdin"))
    for path, text in files.items():
        if not path.startswith("units/"):
            continue
        for command in _EXEC.findall(text):
            for component, message in _judged(command, files, settings["paths"]):
                yield f"{item.name}: {path}: {component}: {message}."


def _judged(command: str, files: Mapping[str, str], paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError as error:
        words = []
        if started := _STARTS.search(command):
            yield started[1], f"its command cannot be read: {error}"
    component = PurePosixPath(words[0].lstrip("-@:+!|")).name if words else ""
    if component not in _FLAGS:
        if words and (hidden := _STARTS.search(" ".join(words[1:]))):
            yield (
                hidden[1],
                "another program starts it, so nobody can judge its flags",
            )
        return
    flags = _flags(words[1:])
    for name, limit in _FLAGS[component].items():
        if problem := limit.problem(flags.get(name, [])):
            yield component, f"--{name} {problem}"
    if component == "kube-apiserver":
        found = [*_who(flags, files, paths), *_may(flags, files)]
    else:
        found = [*_fields(flags, files)] if component == "kubelet" else []
    if "authorization-always-allow-paths" in flags and component != "kubelet":
        limit = Limit(frozenset(paths))
        if problem := limit.problem(flags["authorization-always-allow-paths"]):
            found.append(f"--authorization-always-allow-paths {problem}")
    yield from ((component, message) for message in found)


def _flags(words: Sequence[str]) -> dict[str, list[str]]:
    """All values of each flag. Components read `_` in a name as `-`, and a flag without a value as true."""
    found: dict[str, list[str]] = {}
    for index, word in enumerate(words):
        if word.startswith("-"):
            name, has_value, value = word.lstrip("-").partition("=")
            after = words[index + 1] if index + 1 < len(words) else "-"
            found.setdefault(name.replace("_", "-"), []).append(
                value if has_value else "true" if after.startswith("-") else after
            )
    return found


def _who(flags: Mapping[str, list[str]], files: Mapping[str, str], paths: Sequence[str]) -> Iterator[str]:
    """Whom an API server believes without a credential."""
    given = flags.get("authentication-config", [])
    if not given:
        if problem := _is("false").problem(flags.get("anonymous-auth", [])):
            yield f"--anonymous-auth {problem}"
        return
    document, problem = _read(given, files)
    anonymous = document.get("anonymous")
    if problem:
        yield f"--authentication-config {problem}"
    elif not isinstance(anonymous, Mapping) or anonymous.get("enabled") is not False:
        conditions = anonymous.get("conditions") if isinstance(anonymous, Mapping) else None
        asked = [entry.get("path") if isinstance(entry, Mapping) else entry for entry in conditions or [None]]
        if wrong := [path for path in asked if path not in paths]:
            yield f"anonymous requests are allowed for {wrong[0] or 'every path'}; allowed: {', '.join(paths)}"


def _may(flags: Mapping[str, list[str]], files: Mapping[str, str]) -> Iterator[str]:
    """Who allows requests to an API server."""
    if "authorization-mode" in flags:
        return
    if "authorization-config" not in flags:
        yield "neither --authorization-mode nor --authorization-config is set, so everything is allowed"
        return
    document, problem = _read(flags["authorization-config"], files)
    if problem:
        yield f"--authorization-config {problem}"
        return
    given = document.get("authorizers")
    entries = given if isinstance(given, list) and given else [None]
    kinds = [entry.get("type") if isinstance(entry, Mapping) else None for entry in entries]
    if wrong := [kind for kind in kinds if kind not in {"Node", "RBAC", "Webhook"}]:
        yield f"an authorizer has the type {wrong[0]!r}; allowed: Node, RBAC, Webhook"


def _fields(flags: Mapping[str, list[str]], files: Mapping[str, str]) -> Iterator[str]:
    """The fields of a kubelet's configuration, and of the drop-ins that change it."""
    document, problem = _read(flags.get("config", []), files)
    if problem:
        yield f"--config {problem}"
        return
    folders = [folder.removeprefix(_ROOT).rstrip("/") + "/" for folder in flags.get("config-dir", [])]
    others = [path for path in files if path.startswith(tuple(folders)) and path.endswith(".conf")] if folders else []
    for path, limit in _KUBELET.items():
        if problem := limit.problem(_values(document, path)):
            yield f"{path} {problem}"
    for name in others:
        document, problem = _read([name], files)
        if problem:
            yield f"--config-dir {problem}"
        for path, limit in _KUBELET.items():
            if (values := _values(document, path)) and (problem := limit.problem(values)):
                yield f"{name}: {path} {problem}"


def _values(document: Mapping[str, Any], path: str) -> list[str]:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return []
    return [value if isinstance(value, str) else json.dumps(value)]


def _read(paths: Sequence[str], files: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """The document of the last path, which counts, and why nobody can judge it; hardway writes documents as JSON."""
    name = paths[-1].removeprefix(_ROOT) if paths else ""
    try:
        document = json.loads(files[name])
    except KeyError:
        return {}, f"names {name!r}, which is not in the release, so nobody can judge it"
    except ValueError:
        return {}, f"names {name!r}, which is no JSON, so nobody can judge it"
    if not isinstance(document, Mapping):
        return {}, f"names {name!r}, which is no mapping, so nobody can judge it"
    return document, ""


RULES: list[Rule] = [
    resource_rule(
        About(
            "open-component",
            "Components ask for a credential and for a right.",
            {"paths": Setting(_HEALTH, "Paths of API servers that need no credential.")},
            Severity.CRITICAL,
        ),
        _COMMANDS,
        open_component,
    ),
]
