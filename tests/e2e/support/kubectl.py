"""kubectl with the kubeconfig of a person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.support.process import Answer, ask
from tests.e2e.support.stack import Stack

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """The kubectl of this clone with a kubeconfig. Its cache is in the folder of the suite."""

    binary: Path
    kubeconfig: Path
    cache: Path
    environment: Mapping[str, str] | None = None
    """The environment of kubectl and its plugins. None is that of this process."""

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 60) -> Answer:
        """Run kubectl."""
        command = [str(self.binary), f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.cache}", *arguments]
        return ask(command, env=self.environment, stdin=stdin, timeout=timeout)

    def get(self, *arguments: str) -> Any:
        """The parsed answer of `kubectl get`."""
        return json.loads(self("get", *arguments, "--output=json").ok())

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        found: list[dict[str, Any]] = self.get(*arguments)["items"]
        return found

    def create(self, manifest: Manifest) -> Answer:
        """Create an object. Fails if the object exists or is refused."""
        return self("create", "--filename=-", stdin=json.dumps(manifest))

    def apply(self, manifest: Manifest) -> Answer:
        """Create or change an object."""
        return self("apply", "--filename=-", stdin=json.dumps(manifest))

    def rolled_out(self, namespace: str, deployment: str, seconds: int = 120) -> None:
        """Wait until all replicas of a deployment are available."""
        wait = ("rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}", f"--timeout={seconds}s")
        answer = self(*wait, timeout=seconds + 30)
        if answer.code != 0:
            pods = self("describe", "pods", f"--namespace={namespace}").text[-3000:]
            taints = self("get", "nodes", "--output=custom-columns=NODE:.metadata.name,TAINTS:.spec.taints[*].key").text
            late = f"{namespace}/{deployment} is not available after {seconds} s"
            raise AssertionError(f"{late}: {answer.text}\n{taints}\n{pods}")

    def as_other(self, kubeconfig: Path, environment: Mapping[str, str] | None = None) -> "Kubectl":
        """The same with another person's kubeconfig."""
        return Kubectl(self.binary, kubeconfig, self.cache, environment)


def admin_of(stack: Stack) -> Kubectl:
    """The kubectl of the admin of a stack."""
    return Kubectl(stack.clone.bin / "kubectl", stack.kubeconfig, stack.folder / "kube-cache")


def write_private(path: Path, text: str) -> Path:
    """Write a file that only this user may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path
