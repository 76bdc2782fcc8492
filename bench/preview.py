"""Measures previews of new clusters on existing hosts, beside what the engine needs for the same resources.

The floor is a program that registers the recorded resources and does nothing else (`bench/replay`). Both programs run
with the same engine and plugins, and without policies; the policies are measured in a run of their own.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from bench.processes import BESIDE, Usage, beside, watch
from components.config.errors import NAMESPACE
from tests.e2e.support.progress import Say
from tools.common.paths import Clone, this_clone
from tools.operate.envsh import environment
from tools.operate.pulumi import GOGC

WORKERS = (5, 50, 500)
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
_RECORD = """
import json, sys
from pathlib import Path
import fake_engine
fake_engine.main(Path(sys.argv[1]), Path(sys.argv[2]), preview=True)
"""
_STACK = "test"
"""The stack of the recording."""


@dataclass(frozen=True)
class Cost:
    """A preview of a cluster with `workers` workers and three control-plane nodes, which has `resources` resources."""

    workers: int
    resources: int
    judged: Usage
    program: Usage
    floor: Usage


def page(workers: int) -> dict[str, Any]:
    """The page of a new cluster on existing hosts, as keys without a namespace."""
    mirror = "http://10.20.0.5"
    return {
        "cluster": {"name": "bench"},
        "machines": {"provider": "existing", "user": "root", "vip": {"address": "10.20.0.250"}},
        "artifacts": {
            "source": "mirror",
            "mirror": mirror,
            "registryMirrors": dict.fromkeys(("docker.io", "registry.k8s.io"), f"{mirror}:5000"),
        },
        "network": {"podCidr": "10.32.0.0/11"},
        "nodes": [
            *(_node(f"cp-{n}", ["etcd", "control-plane"], f"10.20.0.{10 + n}") for n in (1, 2, 3)),
            *(_node(f"worker-{n}", ["worker"], f"10.20.{1 + n // 250}.{1 + n % 250}") for n in range(1, workers + 1)),
        ],
    }


def measure_previews(say: Say, sizes: Sequence[int] = WORKERS) -> list[Cost]:
    """Measure one preview of each kind for each number of workers. Raises AssertionError if one fails."""
    costs = []
    for workers in sizes:
        with TemporaryDirectory(prefix="hardway-bench-") as name:
            costs.append(_measure(Path(name), workers, this_clone()))
        say(f"{workers} workers: {costs[-1]}")
    return costs


def table(costs: Sequence[Cost]) -> str:
    """The costs as Markdown."""
    lines = [
        f"| workers | resources | preview s | {BESIDE} | memory MB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for cost in costs:
        lines.append(
            f"| {cost.workers} | {cost.resources:,} | {cost.judged.seconds:.1f} | {beside(cost.program, cost.floor)} "
            f"| {cost.judged.memory / 1e6:.0f} |"
        )
    for cost in costs:
        spent = ", ".join(f"{kind} {used:.1f}" for kind, used in _most_first(cost.judged.cpu))
        held = ", ".join(f"{kind} {size / 1e6:.0f}" for kind, size in _most_first(cost.judged.held))
        lines.append(f"\n{cost.workers} workers with policies, CPU in seconds: {spent}; memory in MB: {held}.")
    return "\n".join(lines)


def _most_first(values: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(values.items(), key=lambda item: -item[1])


def ordered(resources: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The resources in an order in which each comes after its parent, its provider and its dependencies."""
    left = {resource["urn"]: resource for resource in resources}
    found: list[Mapping[str, Any]] = []

    def visit(urn: str) -> None:
        if (resource := left.pop(urn, None)) is not None:
            others = (*resource["dependencies"], *resource["replaceWith"])
            for other in (resource["parent"], resource["provider"], resource["deletedWith"], *others):
                visit(other)
            found.append(resource)

    sys.setrecursionlimit(max(sys.getrecursionlimit(), 4 * len(left) + 1000))
    for resource in resources:
        visit(resource["urn"])
    return found


def created(events: str) -> Counter[str]:
    """How many resources of each type a preview would make, from its event log."""
    return Counter({kind: count for (op, kind), count in operations(events).items() if op == "create"})


def operations(events: str) -> Counter[tuple[str, str]]:
    """How many resources of a run have each operation and type, from its event log."""
    entries = [json.loads(line).get("resourcePreEvent", {}).get("metadata", {}) for line in events.splitlines()]
    return Counter((entry["op"], entry["type"]) for entry in entries if "op" in entry)


def names(workers: int) -> list[str]:
    """The names of the nodes on the page."""
    return [node["name"] for node in page(workers)["nodes"]]


def _node(name: str, roles: Sequence[str], address: str) -> dict[str, Any]:
    return {"name": name, "roles": list(roles), "address": address, "ssh": {"hostKey": _KEY}}


def _measure(folder: Path, workers: int, clone: Clone) -> Cost:
    resources = _recorded(folder, workers, clone)
    config = folder / f"Pulumi.{_STACK}.yaml"
    config.write_text(yaml.safe_dump({"config": {f"{NAMESPACE}:{key}": value for key, value in page(workers).items()}}))
    (folder / "resources.json").write_text(json.dumps(resources))
    (folder / "state").mkdir()
    env = environment(clone, _STACK, os.environ) | {
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_DEBUG_COMMANDS": "true",
        "BENCH_RESOURCES": str(folder / "resources.json"),
        "GOGC": GOGC,
    }
    init = ["pulumi", "stack", "init", _STACK, "--no-select", "--non-interactive"]
    subprocess.run(init, cwd=clone.root / "bench" / "replay", env=env, check=True, capture_output=True)
    run = ["pulumi", "preview", "--non-interactive", "--suppress-outputs"]
    run += ["--event-log", str(folder / "events"), "--config-file", str(config)]
    judged = watch([*run, "--policy-pack", "policies"], clone.root, env, folder / "log")
    (folder / "events").unlink()
    program, made = watch(run, clone.root, env, folder / "log"), created((folder / "events").read_text())
    (folder / "events").unlink()
    floor = watch(run, clone.root / "bench" / "replay", env, folder / "log")
    assert created((folder / "events").read_text()) == made, "the two programs do not register the same"
    return Cost(workers, len(resources), judged, program, floor)


def _recorded(folder: Path, workers: int, clone: Clone) -> list[dict[str, Any]]:
    """What the program registers in a first preview, by the fake engine of the tests."""
    (folder / ".cache").mkdir()
    lock = clone.cache / "artifacts.lock.json"
    (folder / ".cache" / lock.name).write_text(lock.read_text())
    given = {f"{NAMESPACE}:{key}": json.dumps(value) for key, value in page(workers).items()}
    path = os.pathsep.join(str(clone.root / part) for part in (".", "tests", "tests/program"))
    env = {**os.environ, "PULUMI_CONFIG": json.dumps(given), "PYTHONPATH": path}
    target = folder / "recording.json"
    subprocess.run([sys.executable, "-c", _RECORD, str(clone.root), str(target)], cwd=folder, env=env, check=True)
    recording = json.loads(target.read_text())
    assert recording["error"] is None, recording["error"]
    outputs = recording["components"]
    return [{**resource, "outputs": outputs.get(resource["urn"], {})} for resource in ordered(recording["resources"])]
