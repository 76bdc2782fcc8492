"""Reads the few keys of a page that the tools need. The rules of the page are in the program: `components/config`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from components.architecture import ARCHITECTURES
from tools.common.errors import ToolError
from tools.common.paths import Clone

if TYPE_CHECKING:
    from components.config import Page
    from components.config.nodes import Node
    from components.config.providers import AnyMachines


def read(path: Path) -> dict[str, Any]:
    """Read a page. Raises ToolError if the file does not exist or is no YAML mapping."""
    try:
        page = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        raise ToolError(f"there is no page {path.name}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ToolError(f"{path.name} cannot be read: {error}") from None
    if not isinstance(page, dict):
        raise ToolError(f"{path.name} cannot be read: it is not a mapping")
    return page


def section(page: dict[str, Any], name: str) -> Any:
    """The value of a top-level key of the page, such as `machines`. None if the page does not set the key.

    A text that is JSON, as `pulumi config set KEY '{...}'` writes it, is the value for the program, too.
    """
    config = page.get("config")
    value = config.get(f"hardway:{name}") if isinstance(config, dict) else None
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        with suppress(ValueError):
            return json.loads(value)
    return value


def nodes(page: dict[str, Any]) -> list[Any]:
    """The entries of the key `nodes`, as the page has them. Empty if only Pulumi can read them, or if it is no list."""
    found = section(page, "nodes")
    return found if isinstance(found, list) else []


def drain_timeout(path: Path) -> timedelta:
    """The value of `rollout.drainTimeout`, or its default. Raises ToolError if the value is wrong."""
    # Imported here, because the import of pydantic takes long and only one command drains a node.
    from pydantic import ValidationError

    from components.config.rollout import Rollout

    try:
        return Rollout.model_validate(section(read(path), "rollout") or {}).drain_timeout
    except ValidationError as error:
        found = "; ".join(item["msg"] for item in error.errors())
        raise ToolError(f"{path.name}: hardway:rollout: {found}; `make preview` shows what is allowed") from None


def takes_ssh(path: Path) -> bool:
    """Whether the program logs in at the machines of a page with a key of the operator: the provider is `existing`."""
    machines = section(read(path), "machines")
    return isinstance(machines, dict) and machines.get("provider") == "existing"


def has_local_machines(path: Path) -> bool:
    """Whether the machines of a page may be containers on this host. True if there is no page or no provider on it."""
    machines = section(read(path), "machines") if path.is_file() else None
    return not isinstance(machines, dict) or machines.get("provider", "local") == "local"


def missing(clone: Clone, stack: str) -> str:
    """A sentence about a stack without a page."""
    known = sorted(path.name.split(".")[1] for path in clone.root.glob("Pulumi.*.yaml"))
    return f"there is no page {clone.page(stack).name} for stack {stack!r}; stacks with a page: {known}"


def load(path: Path) -> Page:
    """What the page says about versions, the network plugin, artifacts and architectures.

    Other sections are not read: secrets on the page are encrypted, and only Pulumi can decrypt them. Raises ToolError
    with what is wrong in these sections.
    """
    # Imported here, because the import of pydantic takes long and most runs do not need it.
    from pydantic import ValidationError

    from components.config import ConfigError, Page
    from components.config.artifacts import Artifacts
    from components.config.cluster import Versions
    from components.config.findings import findings_of
    from components.config.network import Network

    values = read(path)
    given = {name: section(values, name) for name in ("versions", "network", "artifacts")}
    given = {name: value for name, value in given.items() if value is not None}
    parts = {}
    for name, kind in (("versions", Versions), ("network", Network), ("artifacts", Artifacts)):
        try:
            parts[name] = kind.model_validate(given.get(name, {}))
        except ValidationError:
            break
    else:
        return Page.model_construct(**parts, machines=_machines(values), nodes=_nodes(values))
    try:
        Page.model_validate(given)
    except ValidationError as error:
        found = [item for item in findings_of(error, Page, set()) if _is_in(item.path, given)]
        raise ToolError(f"{path.name}: {ConfigError(found)}") from None
    raise AssertionError(f"{path.name} is wrong in a section, but not as a whole")


def _machines(values: dict[str, Any]) -> AnyMachines:
    """The section of the provider, with the architectures of groups in AWS."""
    from components.config.aws import AwsRole, AwsSection
    from components.config.existing import ExistingSection
    from components.config.machines import LocalSection

    given = section(values, "machines")
    given = given if isinstance(given, dict) else {}
    if given.get("provider") == "existing":
        return ExistingSection.model_construct()
    if given.get("provider") != "aws":
        return LocalSection.model_construct()
    groups = {"control_plane": "controlPlane", "etcd": "etcd", "worker": "worker"}
    return AwsSection.model_construct(
        **{field: AwsRole.model_construct(**_architecture(given.get(key))) for field, key in groups.items()}
    )


def _nodes(values: dict[str, Any]) -> tuple[Node, ...]:
    """Names, roles and architectures of the nodes. If nobody but Pulumi can read them: one node of the usual kind."""
    from components.config.nodes import Node

    given = [node for node in nodes(values) if isinstance(node, dict)]
    return tuple(
        Node.model_construct(
            name=str(node.get("name")),
            roles=tuple(node["roles"]) if isinstance(node.get("roles"), list) else (),
            **_architecture(node),
        )
        for node in given or [{}]
    )


def _architecture(given: Any) -> dict[str, Any]:
    """The architecture of a mapping on the page. The program refuses a page with another one."""
    found = given.get("architecture") if isinstance(given, dict) else None
    return {"architecture": found} if found in ARCHITECTURES else {}


def _is_in(path: str, sections: Iterable[str]) -> bool:
    first = path.removeprefix("hardway:").partition(".")[0].partition("[")[0]
    return first in sections
