"""The configuration of kube-bench that knows where hardway keeps its files. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.node.model import ROOT
from components.node.render.kubelet import DATA
from tools.cis.benchmark import MASTER, NAME, TARGETS
from tools.common.errors import ToolError

_SYSTEM = "/etc/systemd/system"
_ETCD = "etcd"


def _component(*programs: str, **paths: str) -> dict[str, Any]:
    """A component for kube-bench. Each path has two forms: a list of candidates, and a default.

    Every component is optional: if one does not run on a machine, kube-bench would know no component at all.
    """
    found: dict[str, Any] = {"bins": list(programs), "optional": True}
    for name, path in paths.items():
        found |= {name: [path], f"default{name.removesuffix('s') if name in ('confs', 'datadirs') else name}": path}
    return found


def _server(program: str, **paths: str) -> dict[str, Any]:
    # The benchmark asks for the specification of a static pod. Here, a systemd unit says how the program is started.
    # Some versions of ps know a program only by the first 15 characters of its name.
    return _component(program, program[:15], confs=f"{_SYSTEM}/{program}.service", **paths)


def _client(program: str) -> dict[str, Any]:
    return _server(program, kubeconfig=f"{ROOT}/cfg/{program}.kubeconfig")


_MEMBER = _component("etcd", confs=f"{_SYSTEM}/etcd.service", datadirs="/var/lib/etcd")
CONFIG: dict[str, Any] = {
    MASTER: {
        "components": ["apiserver", "scheduler", "controllermanager", _ETCD],
        "apiserver": _server("kube-apiserver"),
        "scheduler": _client("kube-scheduler"),
        "controllermanager": _client("kube-controller-manager"),
        _ETCD: _MEMBER,
    },
    "controlplane": {"components": ["apiserver"], "apiserver": _server("kube-apiserver")},
    "etcd": {"components": [_ETCD], _ETCD: _MEMBER},
    "node": {
        "components": ["kubelet", "proxy"],
        "kubelet": _component(
            "kubelet",
            confs=f"{ROOT}/cfg/kubelet.json",
            kubeconfig=f"{DATA}/kubeconfig",
            svc=f"{_SYSTEM}/kubelet.service",
            cafile=f"{ROOT}/ssl/kubernetes-ca.pem",
        ),
        "proxy": _component(
            "kube-proxy",
            confs=f"{ROOT}/cfg/kube-proxy.json",
            kubeconfig=f"{ROOT}/cfg/kube-proxy.kubeconfig",
            svc=f"{_SYSTEM}/kube-proxy.service",
        ),
    },
    "policies": {"components": []},
    "target_mapping": {NAME: list(TARGETS)},
}
"""In the place of kube-bench's cfg/config.yaml. The keys and their forms: docs/controls.md of kube-bench."""

REPLACED: Mapping[str, Mapping[str, str]] = {
    MASTER: {"/etc/kubernetes/pki/": f"{ROOT}/ssl/", "-name '*.crt'": "-name '*.pem'"}
}
"""Texts of the benchmark that are replaced, by target: paths for which kube-bench has no setting."""


def config_text() -> str:
    """The text of cfg/config.yaml. JSON is YAML."""
    return json.dumps(CONFIG, indent=1) + "\n"


def adapted(target: str, text: str) -> str:
    """A file of the benchmark with hardway's paths. Raises ToolError if the file does not have what is replaced."""
    for old, new in REPLACED.get(target, {}).items():
        if old not in text:
            raise ToolError(f"{NAME}/{target}.yaml of this kube-bench has no {old!r}: tools/cis/config.py replaces it")
        text = text.replace(old, new)
    return text
