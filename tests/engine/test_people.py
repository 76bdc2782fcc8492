"""Namespaces and roles of the page with the real engine, the real provider and a real API server.

People come by impersonation: the API server authorizes and admits their requests as with their own credential.
"""

import json
import subprocess
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_server import MERGE, ApiServer, api_server, controllers
from test_group_roles import PROGRAM

from components.addons.bindings import binding_name
from components.config.namespaces import COUNTED, ENFORCE, LIMITED_BY, MEASURED
from components.node.render.api_policies import ADMISSION
from components.pki.leaves import DEPLOYER_BINDING, DEPLOYER_GROUP
from tools.access.show import show
from tools.common.paths import Clone, this_clone
from tools.operate import kubectl
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
NAMES = {"claim": "sub", "prefix": "oidc:"}
ISSUER = {
    "url": "https://login.example.com",
    "audiences": ["kubernetes"],
    "claimMappings": {"username": NAMES, "groups": NAMES},
}
CONTROLLERS = ("garbage-collector-controller", "resourcequota-controller", "serviceaccount-controller")
CONTROLLERS += ("clusterrole-aggregation-controller",)


@dataclass
class World:
    """A stack whose program has made the objects of `ACCESS` in an API server."""

    stack: Stack
    server: ApiServer

    def write(self, access: Any) -> None:
        """Write the section `access` of the page."""
        (self.stack.clone.root / "access.json").write_text(json.dumps(access))
        page = {"config": {"hardway:access": {**access, "oidc": [ISSUER]}}}
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
    world.server.ask("DELETE", f"{RBAC}/namespaces/open/rolebindings/x")


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


@dataclass
class Shown:
    """What `make access` prints: as text, and as JSON. `code` is its exit code."""

    code: int
    text: str
    content: Any

    def differences(self, *parts: str) -> list[str]:
        """The differences that have all parts."""
        return [one for one in self.content["differences"] if all(part in one for part in parts)]


@pytest.fixture
def shown(world: World, capfd: pytest.CaptureFixture[str]) -> Callable[[], Shown]:
    """Runs `make access`, twice."""

    def run() -> Shown:
        capfd.readouterr()
        code = show(world.stack, as_json=True)
        content = json.loads(capfd.readouterr().out)
        assert show(world.stack, as_json=False) == code
        return Shown(code, capfd.readouterr().out, content)

    return run


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


EVERYWHERE = f"{RBAC}/clusterrolebindings"
IN_SHOP = f"{RBAC}/namespaces/shop/rolebindings"


def test_page_and_cluster_agree(world: World, shown: Callable[[], Shown]) -> None:
    """So each binding that this API server made itself is known as such."""
    world.grant()
    found = shown()
    assert (found.code, found.content["differences"]) == (0, [])
    assert "The page and the cluster agree." in found.text
    rights = {(one["kind"], one["subject"], one["role"], one["namespace"]) for one in found.content["rights"]}
    assert rights == {
        ("Group", "hardway:cluster-admins", "cluster-admin", None),
        ("Group", "hardway:deployers", "cluster-admin", None),
        ("Group", "hardway:developers:shop", "edit", "shop"),
        ("Group", "oidc:shop", "edit", "shop"),
        ("Group", "oidc:leads", "admin", "shop"),
        ("Group", "oidc:audit", "view", None),
        ("Group", "oidc:release", "hardway-role-deployers", None),
        ("User", "oidc:4f1c", "hardway-role-deployers", "shop"),
        ("User", "oidc:boss", "admin", None),
    }
    assert {one["standsIn"] for one in found.content["rights"]} == {"page and cluster"}
    lines = [line.split() for line in found.text.splitlines()]
    assert ["alice", "those", "of", "hardway:developers:shop", "certificate"] in lines
    assert ["oidc:leads", "admin", "namespace", "shop", "page", "and", "cluster"] in lines
    assert (
        "NAMESPACE shop: Pod Security restricted; quota limits.cpu=2, pods=2; default of a container cpu=500m, "
        in found.text
    )
    assert ["admin", "oidc:leads,", "oidc:boss"] in lines and ["edit", "hardway:developers:shop,", "oidc:shop"] in lines


@pytest.mark.parametrize(
    ("path", "role", "kind", "name", "differs"),
    [
        (EVERYWHERE, "cluster-admin", "User", "bob", True),
        (EVERYWHERE, "view", "Group", "system:authenticated", True),
        (IN_SHOP, "view", "User", "bob", True),
        (IN_SHOP, "edit", "Group", "oidc:others", True),
        # As charts make them. What leads to all rights is a note.
        (EVERYWHERE, "admin", "ServiceAccount", "default", False),
        (EVERYWHERE, "view", "ServiceAccount", "default", False),
        (IN_SHOP, "admin", "ServiceAccount", "default", False),
    ],
)
def test_a_binding_by_hand_is_a_difference(
    world: World, shown: Callable[[], Shown], path: str, role: str, kind: str, name: str, differs: bool
) -> None:
    world.grant()
    made = by_hand(world, path, role, kind, name)
    try:
        found = shown()
    finally:
        world.server.ask("DELETE", made)
    assert found.code == int(differs)
    assert bool(found.differences("made-by-hand", f"has the role {role}", "kubectl delete")) == differs
    is_note = (path, role, kind) == (EVERYWHERE, "admin", "ServiceAccount")
    assert bool([text for text in found.content["notes"] if "leads to all rights" in text]) == is_note
    assert ("cluster only" in found.text) == (differs or is_note)
    assert shown().code == 0


def test_the_label_of_kubernetes_hides_nothing(world: World, shown: Callable[[], Shown]) -> None:
    """An added subject stays when an API server starts; and anybody can write a label."""
    world.grant()
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    made = by_hand(world, EVERYWHERE, "cluster-admin", "User", "mallory", labels=labels)
    admins = world.server.ask("GET", f"{EVERYWHERE}/cluster-admin")
    eve = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}
    try:
        world.patch(f"{EVERYWHERE}/cluster-admin", {"subjects": [*admins["subjects"], eve]})
        found = shown()
    finally:
        world.server.ask("DELETE", made)
        world.patch(f"{EVERYWHERE}/cluster-admin", {"subjects": admins["subjects"]})
    assert found.code == 1
    assert found.differences("ClusterRoleBinding cluster-admin of Kubernetes was changed", "user eve has the role")
    assert found.differences("made-by-hand has the label of bindings of Kubernetes")
    assert found.differences("made-by-hand is not on the page: user mallory")
    assert shown().code == 0


def test_what_is_missing_or_changed_is_told_and_mended_as_told(world: World, shown: Callable[[], Shown]) -> None:
    """Each command of a sentence is run, and `make up ARGS=--refresh` at the end."""
    world.grant()
    group = f"{IN_SHOP}/{binding_name('Group', 'oidc:shop', 'edit')}"
    user = f"{IN_SHOP}/{binding_name('User', 'oidc:4f1c', 'hardway-role-deployers')}"
    role = f"{RBAC}/clusterroles/hardway-role-deployers"
    world.server.ask("DELETE", group)
    other = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}
    world.patch(user, {"subjects": [other]})
    world.patch(role, {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})
    world.patch(QUOTA, {"spec": {"hard": {"pods": "200"}}})
    world.patch(LIMITS, {"spec": {"limits": [{"type": "Container", "max": {"cpu": "64"}}]}})
    world.patch(SHOP, {"metadata": {"labels": {ENFORCE: "privileged"}}})
    aggregated = {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}
    extra = {"metadata": {"name": "of-a-chart", "labels": aggregated}, "rules": []}
    world.server.ask("POST", f"{RBAC}/clusterroles", extra)
    found = shown()
    assert found.code == 1
    assert found.differences(
        "is not in the cluster, so group oidc:shop has the role edit in the namespace shop on the page"
    )
    assert found.differences("of the page was changed, so user eve has the role hardway-role-deployers")
    assert found.differences("of the page was changed, so user oidc:4f1c does not have the role")
    assert found.differences("ClusterRole hardway-role-deployers has other rules")
    assert found.differences("namespace shop: quota pods is 200 in the cluster, 2 on the page")
    assert found.differences("namespace shop: limits.max cpu is 64 in the cluster, 1 on the page")
    assert found.differences("namespace shop: limits.default memory is not set in the cluster, 64Mi on the page")
    assert found.differences("namespace shop: the level of Pod Security is privileged in the cluster, restricted")
    assert found.content["notes"] == ["ClusterRole of-a-chart adds its rules to edit"]
    assert "page only" in found.text and "cluster only" in found.text

    world.server.ask("DELETE", f"{RBAC}/clusterroles/of-a-chart")
    for command in {part for text in found.content["differences"] for part in text.split("`") if "kubectl " in part}:
        world.kubectl(*command.split()[1:])
    assert world.stack.up(["--refresh"]) == 0
    world.grant()
    assert shown().content["differences"] == []


def test_the_page_wins_over_a_change_by_hand(world: World) -> None:
    """A field that kubectl has written belongs to kubectl, and an ordinary change of it would be a conflict."""
    world.kubectl("label", "namespace", "shop", f"{ENFORCE}=privileged", "--overwrite")
    world.kubectl("patch", "resourcequota", LIMITED_BY, "--namespace=shop", '--patch={"spec":{"hard":{"pods":"200"}}}')
    (namespace,) = ACCESS["namespaces"]
    assert isinstance(namespace, dict)
    changed = {**namespace, "podSecurity": "baseline", "quota": {**namespace["quota"], "pods": "3"}}
    world.up({**ACCESS, "namespaces": [changed]})
    assert world.server.ask("GET", SHOP)["metadata"]["labels"][ENFORCE] == "baseline"
    assert world.server.ask("GET", QUOTA)["spec"]["hard"]["pods"] == "3"
    world.up(ACCESS)


def test_the_policies_name_roles_of_the_page_that_lead_to_all_rights(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """With objects as the real provider plans them."""
    reads = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    given = {"name": "oidc:audit", "namespaces": None}
    world.write(
        {
            **ACCESS,
            "namespaces": [{"name": "shop", "podSecurity": "privileged"}],
            "roles": [{"name": "reader", "rules": [reads]}, {"name": "made-by-a-chart"}],
            "groups": [given | {"role": role} for role in ("reader", "made-by-a-chart", "view", "admin")],
            "users": [],
        }
    )
    capfd.readouterr()
    world.stack.preview(["--policy-pack", str(this_clone().root / "policies")])
    report = capfd.readouterr().out
    advice = [line for line in report.splitlines() if line.startswith("- advice by `")]
    (read,) = [line for line in advice if "allows get secrets: that leads to all rights" in line]
    (unknown,) = [line for line in advice if "made-by-a-chart" in line and "does not show what the role allows" in line]
    assert "`rights-of-roles`" in read and "`rights-of-roles`" in unknown
    (broad,) = [line for line in advice if "gives the role admin in the whole cluster to Group oidc:audit" in line]
    assert "`all-rights`" in broad
    assert [line for line in advice if "`all-rights`" in line and "root on nodes" in line and "namespace-shop" in line]
    assert "| `group oidc:audit` | gets | `hardway-role-reader` | **whole cluster** |" in report
    assert "| `shop` | `Pod Security` | `restricted` | `privileged` |" in report
    assert "| `shop` | `quota pods` | `2` | none |" in report
    assert "| `reader` | none | `get secrets` |" in report
    assert "| `deployers` | `list deployments in apps` | none |" in report


def test_a_namespace_that_leaves_the_page_stays_and_its_people_go(
    world: World, capfd: pytest.CaptureFixture[str], shown: Callable[[], Shown]
) -> None:
    """Last, because it takes everything away. The preview says that the namespace stays."""
    world.server.ask("POST", f"{SHOP}/pods", pod("kept"))
    world.write({"developers": []})
    capfd.readouterr()
    assert world.stack.preview() == 0
    report = capfd.readouterr().out
    assert "| `Namespace` | `shop` | stays, no longer managed |" in report
    assert "| `ResourceQuota` | `shop/hardway` | **removed** |" in report
    world.up({"developers": []})
    assert world.server.ask("GET", SHOP)["status"]["phase"] == "Active"
    assert world.server.ask("GET", f"{SHOP}/pods/kept")["metadata"]["name"] == "kept"
    assert not exists(world.server, QUOTA) and not exists(world.server, LIMITS)
    assert "namespace shop was on the page, and stays" in str(shown().content["notes"])
    for who in PEOPLE:
        eventually(lambda who=who: world.status(who, "GET", f"{SHOP}/pods")[0] == 403, who)  # type: ignore[misc]
