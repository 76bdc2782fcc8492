"""Records what the real engine sends to a policy pack, for the unit tests of the rules: tests/policies/data/*.json.

Run it after a change of the engine or of a plugin: `PYTHONPATH=. .venv/bin/python tests/policies/record.py`. Private
keys of the recorded (and removed) stacks are replaced.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import policy_engine as engine
from aws_bags import property_bags

DATA = Path(__file__).resolve().parent / "data"
KEPT = re.compile(
    r"kubernetes-ca-1|etcd-ca-1|admin|cp-1-apiserver|cp-1-etcd-peer|cp-\d-machine|stage|jump|policies-dev"
)
PRIVATE = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
PAGE = {
    "cluster": {"name": "policies"},
    "nodes": [{"name": "cp-1", "roles": ["etcd", "control-plane", "worker"]}],
}
LEAF = "urn:pulumi:dev::policies::hardway:pki:ClusterPki$tls:index/locallySignedCert:LocallySignedCert::admin"


def main() -> None:
    """Records every case."""
    (DATA / "aws.json").write_text(_text(property_bags()))
    with tempfile.TemporaryDirectory() as folder:
        cluster = engine.make("cluster", Path(folder) / "cluster", PAGE)
        record(cluster, "first_preview")
        cluster.up()
        record(cluster, "nothing_changes")
        record(cluster, "renewal", "--replace", LEAF)
        (DATA / "certificates_state.json").write_text(_text(_state(cluster)))
        machines = engine.make("machines", Path(folder) / "machines")
        machines.up()
        (DATA / "machines_state.json").write_text(_text(_state(machines)))
        # One machine is replaced by a trigger, one by hand; the third changes in place.
        env = {"MACHINES": '{"cp-1": "2"}'}
        by_hand = "urn:pulumi:dev::policies::command:local:Command::cp-2-machine"
        record(machines, "machines_replaced", "--replace", by_hand, env=env)
        record(machines, "machines_changed", env={"IMAGE": "two"})
        ssh = engine.make("ssh", Path(folder) / "ssh")
        record(ssh, "ssh_first_preview")
        ssh.up()
        record(ssh, "ssh_later_preview")


def record(stack: engine.Stack, name: str, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Records the requests of one preview."""
    lines = stack.folder / f"{name}.jsonl"
    pack = stack.folder / "recorder"
    if not pack.exists():
        pack.symlink_to(engine.PROGRAMS / "recorder")
    run = stack.run("preview", "--policy-pack", str(pack), *arguments, env={"RECORDING": str(lines), **(env or {})})
    assert run.code == 0, run.output
    requests = [json.loads(line) for line in lines.read_text().splitlines()]
    inputs = {r["Analyze"]["urn"]: r["Analyze"] for r in requests if "Analyze" in r}
    (whole,) = (r["AnalyzeStack"]["resources"] for r in requests if "AnalyzeStack" in r)
    kept = {
        "resources": [inputs[urn] for urn in sorted(inputs) if _is_kept(urn)],
        "stack": sorted((r for r in whole if _is_kept(r["urn"])), key=lambda r: r["urn"]),
    }
    (DATA / f"{name}.json").write_text(_text(kept))


def _state(stack: engine.Stack) -> dict[str, Any]:
    answer = stack.run("stack", "export")
    assert answer.code == 0, answer.output
    export = json.loads(answer.output)
    resources = [r for r in export["deployment"]["resources"] if _is_kept(r["urn"])]
    for resource in resources:
        for where in ("sourcePosition", "stackTrace", "sequenceNumber", "created", "modified"):
            resource.pop(where, None)
    return {"version": export["version"], "deployment": {"resources": resources}}


def _is_kept(urn: str) -> bool:
    return KEPT.fullmatch(urn.rpartition("::")[2]) is not None and ":providers:" not in urn


def _text(value: Any) -> str:
    return json.dumps(_without_keys(value), indent=1, sort_keys=True) + "\n"


def _without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_keys(inner) for name, inner in value.items() if name not in ("provider", "ciphertext")}
    if isinstance(value, list):
        return [_without_keys(inner) for inner in value]
    if isinstance(value, str):
        return PRIVATE.sub(r"(a \1)", value)
    return value


if __name__ == "__main__":
    main()
