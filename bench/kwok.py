"""kwok, which plays the kubelets of nodes without machines: it renews their leases and says that their pods run.

kwok is one process of this host with one identity. Its requests have the priority of those of kubelets, and not that of
people, so that a measurement does not wait behind them in the queue of people.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.fake_objects import KEY
from tests.e2e.support.kubectl import Kubectl, write_private
from tests.e2e.support.process import stop
from tools.from_source import catalogue
from tools.judging.built import built

STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)
"""What kwok's own manifests use (kustomize/stage/fast)."""
RIGHTS = ("service_account.yaml", "role.yaml", "role_binding.yaml")
_ACCOUNT, _NAMESPACE = "kwok-controller", "kube-system"
LEASE_SECONDS = 40
"""As a kubelet's nodeLeaseDurationSeconds. A lease is renewed after a quarter of it."""
_VALID = "2h"


@dataclass(frozen=True)
class Kwok:
    """A kwok that runs."""

    process: subprocess.Popen[bytes]
    log: Path

    def assert_runs(self) -> None:
        """Raises AssertionError with the end of its output if it has ended."""
        assert self.process.poll() is None, f"kwok ended: {self.log.read_text()[-3000:]}"


def find() -> Path:
    """The program in the store, with its files beside it. Built if it is not there. Raises ToolError without Go."""
    return built(catalogue.KWOK, "kwok", "there is no other way to measure nodes without machines")


@contextlib.contextmanager
def simulating(kubectl: Kubectl, program: Path, folder: Path) -> Iterator[Kwok]:
    """A kwok during the body, with its files in `folder`. The kernel ends the process also if this process is killed.

    `kubectl` is that of somebody who may do everything.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in RIGHTS:
        kubectl("apply", f"--filename={program.parent / 'rbac' / name}").ok()
    kubectl.apply(flow_schema()).ok()
    token = kubectl("create", "token", _ACCOUNT, f"--namespace={_NAMESPACE}", f"--duration={_VALID}").ok().strip()
    config = write_private(folder / "kubeconfig", kubeconfig_with(json.loads(kubectl.kubeconfig.read_text()), token))
    log = folder / "kwok.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(program, config),
            # kwok also reads a configuration in the folder of the user.
            env={"HOME": str(folder), "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Kwok(process, log)
    finally:
        stop(process)
        config.unlink()


def command(program: Path, kubeconfig: Path) -> list[str]:
    """The command line of kwok. It opens no port, and the token is in the file only."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--", str(program), f"--kubeconfig={kubeconfig}"),
        *(f"--config={program.parent / 'stage' / stage}" for stage in STAGES),
        f"--manage-nodes-with-annotation-selector={KEY}=fake",
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
    ]


def kubeconfig_with(admin: Mapping[str, Any], token: str) -> str:
    """The kubeconfig of the admin with another identity: the token of a service account."""
    (cluster,) = admin["clusters"]
    context = {"name": _ACCOUNT, "context": {"cluster": cluster["name"], "user": _ACCOUNT}}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": _ACCOUNT, "user": {"token": token}}],
            "contexts": [context],
            "current-context": _ACCOUNT,
        }
    )


def flow_schema() -> dict[str, Any]:
    """Requests of kwok in the priority level `system`, where those of kubelets are."""
    everything = {"apiGroups": ["*"], "clusterScope": True, "namespaces": ["*"], "resources": ["*"], "verbs": ["*"]}
    subject = {"kind": "ServiceAccount", "serviceAccount": {"name": _ACCOUNT, "namespace": _NAMESPACE}}
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": _ACCOUNT},
        "spec": {
            "priorityLevelConfiguration": {"name": "system"},
            "matchingPrecedence": 500,
            "rules": [
                {
                    "subjects": [subject],
                    "resourceRules": [everything],
                    "nonResourceRules": [{"nonResourceURLs": ["*"], "verbs": ["*"]}],
                }
            ],
        },
    }
