"""The inventory of this host, before `up` and after `down`: the difference is what a stack left behind.

Other stacks may be made and removed meanwhile, so everything of other local networks is left out.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.support.machines import engine_of
from tests.e2e.support.process import ask
from tools.common.paths import Clone

LABEL = "hardway.lab"
_CACHES = {".cache", ".state", ".venv", ".git", ".pytest_cache", ".ruff_cache", "__pycache__"}
"""Folders of a clone with caches, or with state that stays if one stack is removed."""
_HOME = (".config", ".pulumi", ".docker", ".local/share/pulumi", ".local/state")
_MOUNTS = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'


@dataclass(frozen=True)
class Inventory:
    """Names of things by kind, such as `volume`, at a Unix time."""

    things: Mapping[str, frozenset[str]]
    taken: float = field(default_factory=time.time)

    def new_since(self, before: "Inventory") -> dict[str, list[str]]:
        """What is new since an earlier inventory, by kind."""
        grown = {kind: sorted(names - before.things.get(kind, frozenset())) for kind, names in self.things.items()}
        return {kind: names for kind, names in grown.items() if names}


def take(clone: Clone, *, lab: str = "", without: Iterable[str] = ()) -> Inventory:
    """Take the inventory. `lab` is the local network of the stack. `without` are files of the clone to leave out."""
    engine = engine_of(clone)
    others = _labs(engine) - {lab}
    return Inventory(
        {
            "container": _only_ours(engine, others, "ps", "--all", *_unknown(engine), "--format", "{{.Names}}"),
            "volume": _volumes(engine, others, lab),
            "network": _only_ours(engine, others, "network", "ls", "--format", "{{.Name}}"),
            "route": _routes(engine, others),
            "file of the clone": frozenset(_files(clone.root)) - frozenset(without),
            "file in the home folder": frozenset(_home_files()),
            "change of git's": frozenset(_git_status(clone.root)) - {f"?? {name}" for name in without},
        }
    )


def traces(text: str, marks: Sequence[str]) -> list[str]:
    """The lines that contain one of `marks`."""
    return [line.strip() for line in text.splitlines() if any(mark in line for mark in marks)]


def firewall() -> str:
    """All rules of the host's firewall."""
    return ask(["nft", "list", "ruleset"]).ok()


def processes() -> str:
    """The command lines of all processes."""
    return ask(["ps", "-eo", "pid,args", "-ww"]).ok()


def interfaces() -> str:
    """The host's interfaces with their addresses."""
    return ask(["ip", "-brief", "address"]).ok()


def _unknown(engine: Sequence[str]) -> list[str]:
    """The option with which podman also lists containers that are only in its storage, after a killed creation."""
    return ["--external"] if engine[0] == "podman" else []


def _lines(engine: Sequence[str], *arguments: str) -> list[str]:
    return ask([*engine, *arguments]).ok().split("\n")[:-1]


def _labs(engine: Sequence[str]) -> frozenset[str]:
    """The local networks that have a network or a container now."""
    of_container = f'{{{{index .Labels "{LABEL}"}}}}'
    networks = _lines(engine, "network", "ls", "--filter", f"label={LABEL}", "--format", "{{.Name}}")
    containers = _lines(engine, "ps", "--all", "--filter", f"label={LABEL}", "--format", of_container)
    return frozenset(networks) | frozenset(containers)


def _only_ours(engine: Sequence[str], others: Iterable[str], *listing: str) -> frozenset[str]:
    return frozenset(name for name in _lines(engine, *listing) if not any(_is_of(name, lab) for lab in others))


def _is_of(name: str, lab: str) -> bool:
    return name == lab or name.startswith(f"{lab}-")


def _volumes(engine: Sequence[str], others: Iterable[str], lab: str) -> frozenset[str]:
    """Volumes by name. A volume without a name belongs to the container that uses it."""
    used = set()
    for container in _lines(engine, "ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}"):
        if not lab or not _is_of(container, lab):
            # The container may be removed by now, with its volumes.
            used |= set(ask([*engine, "inspect", "--format", _MOUNTS, container]).stdout.split())
    return _only_ours(engine, others, "volume", "ls", "--format", "{{.Name}}") - used


def _routes(engine: Sequence[str], others: Iterable[str]) -> frozenset[str]:
    """Routes of the host, without routes to other local networks."""
    foreign = set()
    for lab in others:
        networks = ask([*engine, "network", "inspect", lab]).stdout or "[]"
        for network in json.loads(networks):
            foreign |= {subnet["subnet"] for subnet in network.get("subnets", [])}
    routes = ask(["ip", "-4", "route", "show", "table", "all"]).ok().splitlines()
    prefixes = {subnet.rpartition(".")[0] + "." for subnet in foreign}
    return frozenset(route.strip() for route in routes if not any(prefix in route for prefix in prefixes))


def _files(root: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _CACHES]
        found += [str(Path(folder, name).relative_to(root)) for name in files]
    return found


def _home_files() -> list[str]:
    home = Path.home()
    return [str(path) for name in _HOME for path in (home / name).rglob("*") if path.is_file()]


def _git_status(root: Path) -> list[str]:
    command = ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
