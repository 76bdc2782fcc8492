"""Where people sit, and what API servers say about them."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.e2e.local.test_4_security import AUDIT_LOG
from tests.e2e.people.provider import Account, environment_of
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import Kubectl, write_private
from tests.e2e.support.machines import Machine


@dataclass
class Desk:
    """Where people sit: kubectl with the kubeconfigs of the stack, as they were when somebody needed one first."""

    cluster: Cluster
    plugins: Path
    folder: Path

    def at_login(self, account: Account) -> Kubectl:
        """Kubectl with the output `loginKubeconfig` as it is: every command opens the browser."""
        kubeconfig = write_private(self.folder / "login.kubeconfig", self._login_kubeconfig)
        return self.cluster.kubectl.as_other(kubeconfig, environment_of(account, self.plugins))

    def with_token(self, name: str, token: str) -> Kubectl:
        """Kubectl with a token that a person got before."""
        content = json.loads(self._login_kubeconfig)
        content["users"] = [{**user, "user": {"token": token}} for user in content["users"]]
        return self.cluster.kubectl.as_other(write_private(self.folder / f"{name}.kubeconfig", json.dumps(content)))

    def with_certificate(self, name: str) -> Kubectl:
        """Kubectl of a developer."""
        path = write_private(self.folder / f"{name}.kubeconfig", self._developer_kubeconfigs[name])
        return self.cluster.kubectl.as_other(path)

    @cached_property
    def _login_kubeconfig(self) -> str:
        return str(self.cluster.stack.output("loginKubeconfig"))

    @cached_property
    def _developer_kubeconfigs(self) -> dict[str, str]:
        found: dict[str, str] = self.cluster.stack.output("developerKubeconfigs")
        return found


def status(cluster: Cluster, machine: Machine, token: str) -> str:
    """The HTTP status of a question to the API server of one machine who the holder of a token is."""
    url = f"https://{machine.address}:{cluster.api_port}/apis/authentication.k8s.io/v1/selfsubjectreviews"
    review = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    options = "--cacert /opt/kubernetes/ssl/kubernetes-ca.pem --output /dev/null --write-out '%{http_code}'"
    options += f" --header 'Content-Type: application/json' --data '{review}'"
    script = f"curl -s --max-time 10 {options} -K - '{url}'"
    return machine.run(script, stdin=f'header = "Authorization: Bearer {token}"\n').stdout.strip()


def statuses(cluster: Cluster, token: str) -> set[str]:
    """The same of all API servers."""
    return {status(cluster, machine, token) for machine in cluster.having("control-plane")}


def audited(cluster: Cluster, user: str) -> list[dict[str, Any]]:
    """The lines of all audit logs with requests of a user."""
    found = []
    for machine in cluster.having("control-plane"):
        lines = machine.run(f'grep -F \'"username":"{user}"\' {AUDIT_LOG} || true').ok()
        found += [json.loads(line) for line in lines.splitlines()]
    return found
