"""Namespaces and roles of the page with the real engine, the real provider and a real API server.

People come by impersonation: the API server authorizes and admits their requests as with their own credential.
"""

import json
import time
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_server import MERGE, ApiServer, api_server, controllers
from test_group_roles import PROGRAM

from components.addons.namespaces import ENFORCE, LIMITED_BY
from components.config.namespaces import COUNTED, MEASURED
from components.node.render.api_policies import ADMISSION
from tools.common.paths import Clone, this_clone
from tools.operate.stack import Stack

ENGINE = this_clone().bin / "pulumi"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMESPACES = "/api/v1/namespaces"
SHOP = f"{NAMESPACES}/shop"
QUOTA, LIMITS = f"{SHOP}/resourcequotas/{LIMITED_BY}", f"{SHOP}/limitranges/{LIMITED_BY}"
LISTS_DEPLOYMENTS = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}
ACCESS = {
    "namespaces": [
        {
            "name": "shop",
            "quota": {"pods": "2", "limits.cpu": "2"},
            "limits": {"default": {"cpu": "500m", "memory": "64Mi"}, "max": {"cpu": "1"}},
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
CONTROLLERS = ("garbage-collector-controller", "resourcequota-controller", "serviceaccount-controller")
CONTROLLERS += ("clusterrole-aggregation-controller",)


@dataclass
class World:
    """A stack whose program has made the objects of `ACCESS` in an API server."""

    stack: Stack
    server: ApiServer

    def up(self, access: Any) -> None:
        (self.stack.clone.root / "access.json").write_text(json.dumps(access))
        assert self.stack.up() == 0

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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if not ENGINE.exists() or not (this_clone().pulumi_home / "plugins").is_dir():
        pytest.skip("no engine or no plugins in this clone yet: run `make tools`")
    folder = tmp_path_factory.mktemp("api")
    file = folder / "admission.yaml"
    file.write_text(ADMISSION)
    flags = (f"--admission-control-config-file={file}", "--enable-admission-plugins=EventRateLimit")
    with pytest.MonkeyPatch.context() as patch, api_server(folder, *flags) as server, controllers(server, *CONTROLLERS):
        made = World(scratch(tmp_path_factory.mktemp("clone"), patch), server)
        (made.stack.clone.root / "kubeconfig.json").write_text(server.kubeconfig("deployer", "system:masters"))
        made.up(ACCESS)
        # The controllers make the roles and the account of pods.
        eventually(lambda: made.status("edit", "GET", f"{SHOP}/pods")[0] == 200, "the role edit has rights")
        eventually(lambda: exists(server, f"{SHOP}/serviceaccounts/default"), "the namespace has an account")
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


def eventually(check: Callable[[], bool], what: str) -> None:
    """Wait until a controller has done its work."""
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def exists(server: ApiServer, path: str) -> bool:
    """Whether there is such an object."""
    try:
        server.ask("GET", path)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return False
    return True


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


def test_the_objects_are_as_on_the_page(world: World) -> None:
    assert world.server.ask("GET", SHOP)["metadata"]["labels"][ENFORCE] == "restricted"
    assert world.server.ask("GET", QUOTA)["spec"]["hard"] == {"pods": "2", "limits.cpu": "2"}
    (limits,) = world.server.ask("GET", LIMITS)["spec"]["limits"]
    assert limits["default"] == {"cpu": "500m", "memory": "64Mi"} and limits["max"] == {"cpu": "1"}


@pytest.mark.parametrize("who", WORKERS)
def test_people_work_in_their_namespace(world: World, who: str) -> None:
    path, name = f"{SHOP}/pods", who.replace(" ", "-")
    assert world.status(who, "POST", path, pod(name)) == (200, "")
    made = world.server.ask("GET", f"{path}/{name}")["spec"]["containers"][0]["resources"]["limits"]
    assert made == {"cpu": "500m", "memory": "64Mi"}
    assert world.status(who, "DELETE", f"{path}/{name}?gracePeriodSeconds=0") == (200, "")
    eventually(lambda: world.server.ask("GET", QUOTA)["status"]["used"]["pods"] == "0", "the quota is free")


@pytest.mark.parametrize("who", WORKERS)
def test_nobody_works_beyond_the_limits(world: World, who: str) -> None:
    path = f"{SHOP}/pods"
    status, why = world.status(who, "POST", path, pod("open", secure=False))
    assert status == 403 and 'violates PodSecurity "restricted' in why
    status, why = world.status(who, "POST", path, pod("large", cpu="1500m"))
    assert status == 403 and "maximum cpu usage per Container is 1" in why
    try:
        for number in range(2):
            assert world.status(who, "POST", path, pod(f"pod-{number}")) == (200, "")
        status, why = world.status(who, "POST", path, pod("one-more"))
        assert status == 403 and "exceeded quota: hardway" in why
    finally:
        for number in range(2):
            world.server.ask("DELETE", f"{path}/pod-{number}?gracePeriodSeconds=0")
        eventually(lambda: world.server.ask("GET", QUOTA)["status"]["used"]["pods"] == "0", "the quota is free")


FORBIDDEN: dict[str, tuple[str, str, Any]] = {
    "raise the quota": ("PATCH", QUOTA, {"spec": {"hard": {"pods": "100"}}}),
    "write the status of the quota": ("PATCH", f"{QUOTA}/status", {"status": {"hard": {"pods": "100"}}}),
    "delete the quota": ("DELETE", QUOTA, None),
    "delete all quotas": ("DELETE", f"{SHOP}/resourcequotas", None),
    "make a quota": ("POST", f"{SHOP}/resourcequotas", {"metadata": {"name": "x"}, "spec": {"hard": {"pods": "1"}}}),
    "raise the limits": ("PATCH", LIMITS, {"spec": {"limits": []}}),
    "delete the limits": ("DELETE", LIMITS, None),
    "make limits": ("POST", f"{SHOP}/limitranges", {"metadata": {"name": "x"}, "spec": {"limits": []}}),
    "lower the level of Pod Security": ("PATCH", SHOP, {"metadata": {"labels": {ENFORCE: "privileged"}}}),
    "take the level of Pod Security away": ("PATCH", SHOP, {"metadata": {"labels": {ENFORCE: None}}}),
    "write the status of the namespace": ("PATCH", f"{SHOP}/status", {"metadata": {"labels": {ENFORCE: None}}}),
    "delete the namespace": ("DELETE", SHOP, None),
    "make a namespace": ("POST", NAMESPACES, {"metadata": {"name": "own"}}),
    "read secrets elsewhere": ("GET", f"{NAMESPACES}/kube-system/secrets", None),
    "make pods elsewhere": ("POST", f"{NAMESPACES}/default/pods", pod("elsewhere")),
    "read nodes": ("GET", "/api/v1/nodes", None),
    "bind everybody": (
        "POST",
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "x"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        },
    ),
    "bind a role that may change the quota": (
        "POST",
        f"{SHOP.replace('/api/v1', RBAC)}/rolebindings",
        {
            "metadata": {"name": "x"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "oidc:leads"}],
        },
    ),
    "make a role that may change the quota": (
        "POST",
        f"{SHOP.replace('/api/v1', RBAC)}/roles",
        {
            "metadata": {"name": "x"},
            "rules": [{"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["update"]}],
        },
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("who", WORKERS)
def test_nobody_changes_what_limits_the_namespace(world: World, who: str, what: str) -> None:
    status, why = world.status(who, *FORBIDDEN[what])
    assert status == 403, (who, what)
    assert "forbidden" in why or "attempting to grant" in why


def test_people_see_their_limits(world: World) -> None:
    for who in WORKERS:
        for path in (QUOTA, LIMITS, SHOP):
            assert world.status(who, "GET", path) == (200, ""), (who, path)


def test_an_admin_of_the_whole_cluster_changes_no_limits(world: World) -> None:
    """Also without a namespace on the line of the page. The policy `all-rights` names what such an admin can do."""
    assert world.status("boss", "POST", f"{SHOP}/pods?dryRun=All", pod("x"))[0] == 200
    for what in ("raise the quota", "raise the limits", "lower the level of Pod Security", "delete the namespace"):
        assert world.status("boss", *FORBIDDEN[what])[0] == 403, what


def test_an_own_role_counts_where_it_is_given(world: World) -> None:
    def deployments(namespace: str) -> str:
        return f"/apis/apps/v1/namespaces/{namespace}/deployments"

    assert world.status("own role", "GET", deployments("shop"))[0] == 200
    assert world.status("own role", "GET", deployments("default"))[0] == 200
    assert world.status("user", "GET", deployments("shop"))[0] == 200
    assert world.status("user", "GET", deployments("default"))[0] == 403
    for who in ("own role", "user"):
        assert world.status(who, "GET", f"{SHOP}/pods")[0] == 403
        assert world.status(who, "DELETE", deployments("shop"))[0] == 403


def test_view_reads_and_a_stranger_reads_nothing(world: World) -> None:
    assert world.status("view", "GET", f"{NAMESPACES}/kube-system/pods")[0] == 200
    assert world.status("view", "GET", f"{SHOP}/secrets")[0] == 403
    assert world.status("view", "POST", f"{SHOP}/pods", pod("x"))[0] == 403
    assert world.status("stranger", "GET", f"{SHOP}/pods")[0] == 403


def test_why_the_page_refuses_cluster_admin_in_a_namespace(world: World) -> None:
    """A namespace is an object in itself, so this role may label it. It may change the quota, too."""
    world.server.ask("POST", NAMESPACES, {"metadata": {"name": "open"}})
    kind = {"apiGroup": "rbac.authorization.k8s.io"}
    binding = {
        "metadata": {"name": "x"},
        "roleRef": {**kind, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{**kind, "kind": "User", "name": "oidc:6"}],
    }
    world.server.ask("POST", f"{RBAC}/namespaces/open/rolebindings", binding)
    path = f"{NAMESPACES}/open"
    eventually(lambda: world.status("stranger", "GET", path)[0] == 200, "the binding counts")
    assert world.status("stranger", "PATCH", path, {"metadata": {"labels": {ENFORCE: "privileged"}}})[0] == 200


@pytest.mark.parametrize("name", [*COUNTED, *MEASURED, "count/deployments.apps", "requests.example.com/gpu"])
def test_an_api_server_accepts_each_resource_of_a_quota(world: World, name: str) -> None:
    quota = {"metadata": {"name": "tried"}, "spec": {"hard": {name: "1"}}}
    world.server.ask("POST", f"{NAMESPACES}/default/resourcequotas?dryRun=All", quota)


@pytest.mark.parametrize(
    ("kind", "spec", "problem"),
    [
        ("resourcequotas", {"hard": {"pod": "1"}}, "must be a standard resource"),
        ("resourcequotas", {"hard": {"pods": "1.5"}}, "must be an integer"),
        ("resourcequotas", {"hard": {"memory": "10GB"}}, "quantities must match"),
        ("limitranges", {"default": {"cpu": "2"}, "max": {"cpu": "1"}}, "is greater than max value"),
        ("limitranges", {"defaultRequest": {"cpu": "2"}, "default": {"cpu": "1"}}, "greater than default limit value"),
        ("limitranges", {"min": {"cpu": "2"}, "max": {"cpu": "1"}}, "is greater than max value"),
    ],
)
def test_an_api_server_refuses_what_the_page_refuses(world: World, kind: str, spec: Any, problem: str) -> None:
    if kind == "limitranges":
        spec = {"limits": [{"type": "Container", **spec}]}
    with pytest.raises(urllib.error.HTTPError) as caught:
        world.server.ask("POST", f"{NAMESPACES}/default/{kind}?dryRun=All", {"metadata": {"name": "x"}, "spec": spec})
    assert problem in json.loads(caught.value.read())["message"]


def test_a_namespace_that_leaves_the_page_stays_and_its_people_go(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """Last, because it takes everything away. The preview says that the namespace stays."""
    world.server.ask("POST", f"{SHOP}/pods", pod("kept"))
    (world.stack.clone.root / "access.json").write_text('{"developers": []}')
    assert world.stack.preview() == 0
    report = capfd.readouterr().out
    assert "| `Namespace` | `shop` | stays, no longer managed |" in report
    assert "| `ResourceQuota` | `shop/hardway` | **removed** |" in report
    world.up({"developers": []})
    assert world.server.ask("GET", SHOP)["status"]["phase"] == "Active"
    assert world.server.ask("GET", f"{SHOP}/pods/kept")["metadata"]["name"] == "kept"
    assert not exists(world.server, QUOTA) and not exists(world.server, LIMITS)
    for who in PEOPLE:
        eventually(lambda who=who: world.status(who, "GET", f"{SHOP}/pods")[0] == 403, who)  # type: ignore[misc]
