"""`hardway:nodes`: the machines and their roles."""

import re
from typing import Annotated, Literal

from pydantic import Field

from components.config.names import Address, ArchitectureKey, is_domain, label_rule
from components.config.section import Choice, Rule, Section, listing
from components.config.ssh import Ssh

CONTROL_PLANE_KEY = "node-role.kubernetes.io/control-plane"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
# The control-plane label follows from roles. The kubelet writes the others and would overwrite a wrong value.
_OWN_LABELS = (CONTROL_PLANE_KEY, "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch")


def is_qualified(key: str) -> bool:
    """`[prefix/]name` as "Labels and Selectors" of the Kubernetes documentation defines it."""
    prefix, slash, name = key.rpartition("/")
    return _NAME.fullmatch(name) is not None and (is_domain(prefix) if slash else True)


def _label_key_problem(key: str) -> str | None:
    if not is_qualified(key):
        return "is not a label key"
    return "is set by hardway or the kubelet itself" if key in _OWN_LABELS else None


def _taint_key_problem(key: str) -> str | None:
    if not is_qualified(key):
        return "is not a taint key"
    # node.kubernetes.io/* are written and removed by the node lifecycle controller.
    managed = key == CONTROL_PLANE_KEY or key.startswith("node.kubernetes.io/")
    return "is set by hardway or Kubernetes itself" if managed else None


def _value_problem(value: str) -> str | None:
    return None if value == "" or _NAME.fullmatch(value) else "is not a label value"


_KEY = "[prefix/]name, name of at most 63 letters, digits and - _ . with a letter or digit at both ends"
_VALUE = "empty, or at most 63 letters, digits and - _ . with a letter or digit at both ends"
LabelKey = Annotated[str, Rule("label key", f"{_KEY}, not one of {', '.join(_OWN_LABELS)}", _label_key_problem)]
LabelValue = Annotated[str, Rule("label value", _VALUE, _value_problem)]
Role = Annotated[Literal["etcd", "control-plane", "worker"], Choice()]


class Taint(Section):
    """Keeps pods away from a node, see "Taints and Tolerations" of the Kubernetes documentation."""

    key: Annotated[
        str, Rule("taint key", f"{_KEY}, not {CONTROL_PLANE_KEY} nor node.kubernetes.io/*", _taint_key_problem)
    ]
    """Name of the taint, `[prefix/]name`."""
    value: LabelValue = ""
    """Value of the taint."""
    effect: Annotated[Literal["NoSchedule", "PreferNoSchedule", "NoExecute"], Choice()]
    """What happens to pods that do not tolerate the taint."""


class Node(Section):
    """One machine."""

    name: Annotated[str, label_rule("node name")]
    """Host name and Kubernetes node name. Unique; `gateway` is reserved on local machines."""
    roles: Annotated[tuple[Role, ...], listing("at least one role", least=1)]
    """What the machine does. A node that is only `etcd` runs no kubelet."""
    address: Address | None = None
    """The machine's IPv4 address. Optional for the providers `local` and `aws`, which choose addresses themselves."""
    architecture: ArchitectureKey | None = None
    """Architecture of the host's processor, for the provider `existing`. Unset: amd64. In AWS the groups have the key
    (`machines.worker.architecture`), and local machines have the architecture of this host."""
    ssh: Ssh | None = None
    """How SSH reaches the machine. Required with the provider `existing`, refused with any other."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels of the Kubernetes node, set through the API."""
    taints: tuple[Taint, ...] = ()
    """Taints of the Kubernetes node, besides the taint that follows from the roles."""

    @property
    def runs_kubelet(self) -> bool:
        """Only nodes with the role control-plane or worker are Kubernetes nodes."""
        return "control-plane" in self.roles or "worker" in self.roles
