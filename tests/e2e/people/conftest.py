"""The cluster of this suite, the provider, and the people of the page."""

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.local.test_4_security import AUDIT_LOG
from tests.e2e.people.provider import Account, Provider, environment_of, providing
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import Kubectl, write_private
from tests.e2e.support.machines import Machine

SHOP = "shop"
ACCESS = "hardway:access"
PEOPLE = {
    account.name: account
    for account in (
        Account("anna", ("shop",)),
        Account("paul", ("platform",)),
        Account("rita"),
        Account("lena", ("shop",)),
        Account("zoe", ("others",)),
    )
}
"""anna and lena work in the namespace of their group, paul sees the whole cluster, rita has a role of her own, and
nobody gave zoe anything."""
DORA = "dora"
"""A developer of the same namespace, with a certificate."""
TAKEN_AWAY = [{"name": "oidc:platform", "role": "view"}]
GROUPS = [{"name": "oidc:shop", "role": "edit", "namespaces": [SHOP]}]


def access_of_page(provider: Provider, before: dict[str, Any]) -> dict[str, Any]:
    """The section `access`: `before`, a namespace, an issuer, and a line for each way to a right."""
    return {
        **before,
        "namespaces": [
            {
                "name": SHOP,
                "podSecurity": "restricted",
                "quota": {"pods": 2, "limits.memory": "256Mi"},
                "limits": {"default": {"memory": "64Mi"}, "max": {"memory": "96Mi"}},
            }
        ],
        "developers": [*before["developers"], {"name": DORA, "namespace": SHOP}],
        "oidc": [provider.on_page],
        "roles": [
            {"name": "scaler", "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]}
        ],
        "groups": [*GROUPS, *TAKEN_AWAY],
        "users": [{"name": PEOPLE["rita"].user, "role": "scaler", "namespaces": [SHOP]}],
    }


@pytest.fixture(scope="session")
def cluster(everyday: Cluster) -> Cluster:
    """The everyday cluster, which serves the suite `local` before if one run has both."""
    return everyday


@pytest.fixture(scope="package")
def provider(cluster: Cluster) -> Iterator[Provider]:
    """The provider. It is gone when the last test of the package has ended, so that `make down` leaves nothing."""
    with providing(cluster, PEOPLE) as found:
        yield found


@pytest.fixture(scope="package")
def plugins(cluster: Cluster, provider: Provider) -> Path:
    """A folder for PATH with the plugin `oidc-login` of kubectl, which runs in the network of the provider."""
    folder = cluster.stack.folder / "people" / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    command = provider.machine.in_network(["env", f"PYTHONPATH={cluster.stack.clone.root}", sys.executable])
    plugin = folder / "kubectl-oidc_login"
    plugin.write_text(f'#!/bin/sh\nexec {shlex.join(command)} -m tests.e2e.people.plugin "$@"\n')
    plugin.chmod(0o755)
    return folder


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


@pytest.fixture(scope="package")
def desk(cluster: Cluster, plugins: Path) -> Desk:
    """Where people sit."""
    return Desk(cluster, plugins, cluster.stack.folder / "people")


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
