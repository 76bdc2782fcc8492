"""Runs the whole program against the fake engine, and reads the recording."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import warm_engine
from clusters import cluster, lock_data
from conftest import Values, changed, page_values
from fake_engine import SECRET, SIGNATURE, plain

from components.artifacts.source import HANDED_OVER

ROOT = Path(__file__).parents[2]
FACTS = {"engine": ["podman"], "nodeImage": "localhost/hardway-node:1", "mirror": "/m"}
# Set here, so that a run does not look for free values on this host.
PLACE = {"machines.subnet": "192.168.10.0/24", "machines.portBase": 20000}

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nthe-operators-key\n-----END OPENSSH PRIVATE KEY-----\n"
"""The content of the private key file that pages of existing hosts name."""

REMOTE, LOCAL = "command:remote:Command", "command:local:Command"
PROVIDER = "pulumi:providers:kubernetes"


@dataclass(frozen=True)
class Leaf:
    """A single value, its path, and whether the value or a parent is secret."""

    path: str
    value: Any
    secret: bool


def leaves(value: Any, path: str = "", secret: bool = False) -> Iterator[Leaf]:
    """All leaves of a value of the protocol."""
    if isinstance(value, dict) and value.get(SIGNATURE) == SECRET:
        yield from leaves(value["value"], path, True)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key, secret)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]", secret)
    else:
        yield Leaf(path, value, secret)


@dataclass(frozen=True)
class Resource:
    """A registered resource. `raw` has the inputs with markers of secrets. `dependencies` are direct dependencies."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    raw: Mapping[str, Any]
    dependencies: tuple[str, ...]
    deleted_with: str
    replace_with: tuple[str, ...]
    additional_secret_outputs: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    aliases: tuple[str, ...]
    protect: bool
    retained: bool
    """Whether the thing outlives its resource."""
    provider: str
    delete_before_replace: bool
    before_update: tuple[str, ...]
    waits: str
    """How long the provider waits until the resource is made, such as `300s`. Empty: as long as it does by itself."""

    @property
    def inputs(self) -> Values:
        """The inputs without markers of secrets."""
        inputs: Values = plain(dict(self.raw))
        return inputs


@dataclass(frozen=True)
class Recording:
    """One run: resources in the order of their URNs, outputs with markers of secrets, and the error.

    The order of registration differs from run to run.
    """

    resources: tuple[Resource, ...]
    components: Mapping[str, Values]
    """What components registered as outputs, by URN."""
    outputs: Values
    error: Mapping[str, str] | None
    imported: tuple[str, ...]
    """Modules that were imported by this run, and not before by the engine that is kept warm."""
    collects: bool
    """Whether Python looked for cyclic garbage at the end of the program."""

    @cached_property
    def by_urn(self) -> dict[str, Resource]:
        """The resources by URN."""
        return {resource.urn: resource for resource in self.resources}

    def of(self, type_: str) -> list[Resource]:
        """The resources of a type. If `type_` ends with ':' or '/', then of all types that begin like this."""
        return [r for r in self.resources if r.type == type_ or (type_[-1] in ":/" and r.type.startswith(type_))]

    def named(self, type_: str, name: str) -> Resource:
        """The resource with this type and name."""
        (found,) = [resource for resource in self.of(type_) if resource.name == name]
        return found

    @cached_property
    def behind(self) -> dict[str, frozenset[str]]:
        """All dependencies of each resource, also through other resources and through its provider."""
        known: dict[str, frozenset[str]] = {}

        def visit(urn: str) -> frozenset[str]:
            if urn not in known:
                resource = self.by_urn[urn]
                direct = {*resource.dependencies, *([resource.provider] if resource.provider else [])}
                known[urn] = frozenset(direct).union(*(visit(other) for other in direct))
            return known[urn]

        for resource in self.resources:
            visit(resource.urn)
        return known

    def comes_after(self, later: Resource, earlier: Resource) -> bool:
        """Whether one resource is made after the other."""
        return earlier.urn in self.behind[later.urn]


def run(
    values: Values,
    *,
    lock: Values | None = None,
    facts: Values | None = None,
    preview: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Recording:
    """Run the program with a page. `lock` and `facts` are written for the run, or left out if they are empty.

    `extra` are further environment variables.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".cache").mkdir()
        for file, content in (("artifacts.lock.json", lock), ("local.json", FACTS if facts is None else facts)):
            if content:
                (folder / ".cache" / file).write_text(json.dumps(content))
        # So that a run does not look for an official Pulumi and for publishers.
        (folder / HANDED_OVER).mkdir()
        (folder / HANDED_OVER / "test").write_text("mirror\n")
        (folder / "id").write_text(KEY)
        config = {f"hardway:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
        environment = os.environ | {
            "PULUMI_CONFIG": json.dumps(config),
            "PULUMI_ERROR_OUTPUT_STRING": "1",
            **(extra or {}),
        }
        target = folder / "recording.json"
        warm_engine.run([str(ROOT), str(target), "preview" if preview else "up"], folder, environment)
        return _read(json.loads(target.read_text()))


def _read(data: Values) -> Recording:
    resources = tuple(
        Resource(
            urn=r["urn"],
            type=r["type"],
            name=r["name"],
            parent=r["parent"],
            custom=r["custom"],
            raw=r["inputs"],
            dependencies=tuple(r["dependencies"]),
            deleted_with=r["deletedWith"],
            replace_with=tuple(r["replaceWith"]),
            additional_secret_outputs=tuple(r["additionalSecretOutputs"]),
            ignore_changes=tuple(r["ignoreChanges"]),
            replace_on_changes=tuple(r["replaceOnChanges"]),
            aliases=tuple(r["aliases"]),
            protect=r["protect"],
            retained=r["retained"],
            provider=r["provider"],
            delete_before_replace=r["deleteBeforeReplace"],
            before_update=tuple(r["beforeUpdate"]),
            waits=r["waits"],
        )
        for r in sorted(data["resources"], key=lambda found: str(found["urn"]))
    )
    imported = tuple(data["imported"])
    return Recording(resources, data["components"], data["outputs"], data["error"], imported, data["collects"])


def page(name: str, change: Mapping[str, Any] | None = None) -> Values:
    """The page `name` with changes. If its machines are local, the local network has fixed values."""
    values = page_values(name)
    place = PLACE if values.get("machines", {}).get("provider", "local") == "local" else {}
    return changed(values, place | dict(change or {}))


@cache
def recorded(name: str, preview: bool = False, again: int = 0) -> Recording:
    """A run of the program with the page `name`, shared by all tests. Another number `again` is another run."""
    recording = run(page(name), lock=lock_data(cluster(name).page), preview=preview)
    assert recording.error is None, recording.error
    return recording
