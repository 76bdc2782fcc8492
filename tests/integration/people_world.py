"""A stack whose program makes the namespaces, roles and bindings of a page in a real API server.

People come by impersonation: the API server authorizes and admits their requests as with their own credential. An
issuer of OpenID Connect is there as well.
"""

import json
import subprocess
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_server import MERGE, ApiServer, api_server, controllers
from issuer import Issuer

from components.config.access import Access
from components.config.namespaces import LIMITED_BY
from components.node.render.api_policies import ADMISSION
from components.node.render.authentication import authentication
from components.pki.leaves import DEPLOYER_BINDING, DEPLOYER_GROUP
from tests.wait import becomes, eventually
from tools.common.paths import Clone, this_clone
from tools.operate import kubectl
from tools.operate.stack import Stack

PROGRAM = """
import json
import pulumi
import pulumi_kubernetes as k8s
from components.addons.rbac import Rbac
from components.config.access import Access
from components.object_options import owned

access = Access.model_validate(json.loads(open("access.json").read()))
provider = k8s.Provider("cluster", kubeconfig=pulumi.Output.secret(open("kubeconfig.json").read()))
Rbac("rbac", access, pulumi.ResourceOptions(providers=[provider], transformations=[owned]))
pulumi.Stash("fixed-values", input={})
pulumi.export("kubeconfig", pulumi.Output.secret(open("kubeconfig.json").read()))
pulumi.export("kubeconfigSha256", "y")
"""
ENGINE = this_clone().bin / "pulumi"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMESPACES = "/api/v1/namespaces"
SHOP = f"{NAMESPACES}/shop"
QUOTA, LIMITS = f"{SHOP}/resourcequotas/{LIMITED_BY}", f"{SHOP}/limitranges/{LIMITED_BY}"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
POLICY = f"{POLICIES}/{LIMITED_BY}"
ACCESS = {
    "namespaces": [
        {
            "name": "shop",
            "quota": {"pods": "2", "limits.cpu": "2"},
            "limits": {"default": {"cpu": "500m", "memory": "64Mi"}, "max": {"cpu": "1"}},
            "nodeSelector": {"pool": "shop"},
            "tolerations": {"default": [{"key": "pool", "value": "shop"}]},
            "network": "isolated",
        }
    ],
    "developers": [{"name": "alice", "namespace": "shop"}],
    "roles": [
        {"name": "deployers", "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]}
    ],
    "groups": [
        {"name": "oidc:shop", "role": "edit", "namespaces": ["shop"]},
        {"name": "oidc:leads", "role": "admin", "namespaces": ["shop"]},
        {"name": "oidc:audit", "role": "view"},
        {"name": "oidc:release", "role": "deployers"},
    ],
    "users": [
        {"name": "oidc:4f1c", "role": "deployers", "namespaces": ["shop"]},
        {"name": "oidc:boss", "role": "admin"},
    ],
}
PEOPLE = {
    "developer": ("alice", ["hardway:developers:shop"]),
    "edit": ("oidc:1", ["oidc:shop"]),
    "admin": ("oidc:2", ["oidc:leads"]),
    "view": ("oidc:3", ["oidc:audit"]),
    "own role": ("oidc:4", ["oidc:release"]),
    "user": ("oidc:4f1c", []),
    "boss": ("oidc:boss", []),
    "stranger": ("oidc:6", ["oidc:others"]),
}
"""Name and groups of people, by what the page gives them."""
WORKERS = ("developer", "edit", "admin")
NAMES = {"claim": "sub", "prefix": "oidc:"}
CONTROLLERS = ("garbage-collector-controller", "resourcequota-controller", "serviceaccount-controller")
CONTROLLERS += ("clusterrole-aggregation-controller",)
EVERYWHERE = f"{RBAC}/clusterrolebindings"
IN_SHOP = f"{RBAC}/namespaces/shop/rolebindings"


@dataclass
class World:
    """A stack whose program has made the objects of `ACCESS` in an API server."""

    stack: Stack
    server: ApiServer
    issuer: Issuer
    on_page: dict[str, Any]
    """The issuer in `access.oidc`."""

    def write(self, access: Any) -> None:
        """Write the section `access` of the page."""
        (self.stack.clone.root / "access.json").write_text(json.dumps(access))
        page = {"config": {"hardway:access": {**access, "oidc": [self.on_page]}}}
        self.stack.clone.page("dev").write_text(json.dumps(page))

    def up(self, access: Any) -> None:
        """`make up` with this section."""
        self.write(access)
        assert self.stack.up() == 0

    def grant(self) -> None:
        """Make the binding that grant.sh makes on a machine."""
        with suppress(urllib.error.HTTPError):
            by_hand(self, EVERYWHERE, "cluster-admin", "Group", DEPLOYER_GROUP, name=DEPLOYER_BINDING)

    def patch(self, path: str, change: Any) -> None:
        """Change an object as an administrator does."""
        self.server.ask("PATCH", path, change, MERGE)

    def kubectl(self, *words: str) -> None:
        """Run kubectl as the admin of the stack."""
        subprocess.run([*kubectl.required(self.stack, 10), *words], check=True, capture_output=True, timeout=60)

    def status(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """The status of an answer to a person, and the message of a refusal."""
        name, groups = PEOPLE[who]
        # urllib sends each header once, so a person has one group, and `system:authenticated` comes by itself.
        headers = {"Impersonate-User": name, **({"Impersonate-Group": groups[0]} if groups else {})}
        kind = MERGE if method == "PATCH" else "application/json"
        try:
            self.server.ask(method, path, body, kind, headers)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["message"]
        return 200, ""


@contextmanager
def people_world(temporary: pytest.TempPathFactory) -> Iterator[World]:
    """An API server and a stack that is up with `ACCESS`, for all tests of a file."""
    if not ENGINE.exists() or not (this_clone().pulumi_home / "plugins").is_dir():
        pytest.skip("no engine or no plugins in this clone yet: run `make tools`")
    folder = temporary.mktemp("api")
    issuer = Issuer(folder)
    on_page = {
        "url": issuer.url,
        "audiences": ["kubernetes"],
        "certificateAuthority": issuer.web.chain,
        "claimMappings": {"username": NAMES, "groups": {**NAMES, "claim": "groups"}},
    }
    files = {
        "admission-control-config-file": ADMISSION,
        "authentication-config": authentication(Access.model_validate({"oidc": [on_page]}).oidc),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    flags = [f"--{name}={folder / name}" for name in files] + ["--enable-admission-plugins=EventRateLimit"]
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        stack.callback(issuer.stop)
        issuer.start()
        server = stack.enter_context(api_server(folder, *flags))
        stack.enter_context(controllers(server, *CONTROLLERS))
        made = World(scratch(temporary.mktemp("clone"), patch), server, issuer, on_page)
        (made.stack.clone.root / "kubeconfig.json").write_text(server.kubeconfig("deployer", "system:masters"))
        made.up(ACCESS)
        # The controllers make the roles and the account of pods.
        becomes(lambda: made.status("edit", "GET", f"{SHOP}/pods")[0], 200, 60, "the role edit has rights")
        eventually(lambda: exists(server, f"{SHOP}/serviceaccounts/default"), 60, "the namespace has an account")
        yield made


def scratch(root: Path, patch: pytest.MonkeyPatch) -> Stack:
    """A stack of its own for all tests of this file."""
    patch.setenv("PATH", f"{ENGINE.parent}:/usr/bin:/bin")
    patch.setenv("PYTHONPATH", str(this_clone().root))
    for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_STACK", "HARDWAY_CLONE"):
        patch.delenv(name, raising=False)
    clone = Clone(root)
    (root / ".cache").mkdir()
    (root / ".cache/bin").symlink_to(ENGINE.parent)
    (root / ".venv").symlink_to(this_clone().venv.resolve())
    clone.pulumi_home.mkdir()
    (clone.pulumi_home / "plugins").symlink_to(this_clone().pulumi_home / "plugins")
    (root / "Pulumi.yaml").write_text("name: scratch\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    clone.page("dev").write_text("config: {}\n")
    (root / "__main__.py").write_text(PROGRAM)
    return Stack(clone, "dev")


def exists(server: ApiServer, path: str) -> bool:
    """Whether there is such an object."""
    try:
        server.ask("GET", path)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return False
    return True


def by_hand(world: World, path: str, role: str, kind: str, subject: str, **metadata: Any) -> str:
    """Make a binding as an administrator does with kubectl, and return its path."""
    named = {"kind": kind, "name": subject} | ({"namespace": "default"} if kind == "ServiceAccount" else {})
    group = {} if kind == "ServiceAccount" else {"apiGroup": "rbac.authorization.k8s.io"}
    body = {
        "metadata": {"name": "made-by-hand", **metadata},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [group | named],
    }
    world.server.ask("POST", path, body)
    return f"{path}/made-by-hand"


def pod(name: str, cpu: str = "", secure: bool = True) -> dict[str, Any]:
    """A pod that meets the level `restricted`, or the level `baseline` only."""
    safe = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "main",
        "image": "example.com/nothing@sha256:" + "0" * 64,
        **({"securityContext": safe} if secure else {}),
        **({"resources": {"limits": {"cpu": cpu}}} if cpu else {}),
    }
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}
