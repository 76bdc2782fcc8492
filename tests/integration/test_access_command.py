"""`make access`, the preview and the policies about people, with the real engine and a real API server."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from people_world import (
    ACCESS,
    ENGINE,
    EVERYWHERE,
    IN_SHOP,
    LIMITS,
    PEOPLE,
    QUOTA,
    RBAC,
    SHOP,
    World,
    by_hand,
    exists,
    people_world,
    pod,
)

from components.addons.bindings import binding_name
from components.config.namespaces import ENFORCE, LIMITED_BY
from components.config.scheduling import ALLOWED_TOLERATIONS, ANNOTATIONS, NODE_SELECTOR
from components.pki.leaves import ADMIN_GROUP
from tests.wait import becomes
from tools.access.show import show
from tools.common.errors import ToolError
from tools.common.paths import this_clone


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with people_world(tmp_path_factory) as made:
        yield made


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
    (shop,) = [one for one in found.content["namespaces"] if one["name"] == "shop"]
    assert shop["annotations"][NODE_SELECTOR] == "pool=shop"
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


ODD = (
    "x; touch ran #",
    "$(touch ran)",
    "a`touch ran`",
    "it's",
    "--all",
    "-A",
    "two\nlines",
    "\x1b[2J",
    "\u202enames",
    "ä b",
)


def test_names_of_others_run_nothing_and_hide_nothing(world: World, shown: Callable[[], Shown], tmp_path: Path) -> None:
    """Whoever has the role `admin` in a namespace chooses names that an administrator reads and pastes."""
    world.grant()
    kind = {"apiGroup": "rbac.authorization.k8s.io"}
    subject = {**kind, "kind": "User", "name": "bob\n\x1b[31mThe page and the cluster agree."}
    reference = {**kind, "kind": "ClusterRole", "name": "view"}
    for name in (*ODD, "harmless"):
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        assert world.status("admin", "POST", IN_SHOP, body) == (200, ""), name
    found = shown()
    lines = found.text.split("\n")
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("The page and the cluster agree")]
    odd = [text for text in found.differences("is not on the page") if " harmless " not in text]
    assert len(odd) == len(ODD)
    environment = {"PATH": f"{ENGINE.parent}:/usr/bin:/bin", "KUBECONFIG": str(world.stack.clone.kubeconfig("dev"))}
    environment["HOME"] = str(tmp_path)
    for text in odd:
        command = text.partition(", or `")[2].removesuffix("`")
        run = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, timeout=60)
        assert run.returncode == 0, (command, run.stderr)
    assert not (tmp_path / "ran").exists()
    # Each command deleted one binding, and none deleted another one.
    left = shown().content["differences"]
    world.server.ask("DELETE", f"{IN_SHOP}/harmless")
    assert [text.partition(" is not")[0] for text in left] == ["RoleBinding shop/harmless"]


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
    world.patch(SHOP, {"metadata": {"annotations": {NODE_SELECTOR: "pool=other", ALLOWED_TOLERATIONS: None}}})
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
    assert found.differences(f"the annotation {NODE_SELECTOR} is pool=other in the cluster, pool=shop on the page")
    assert found.differences(f"the annotation {ALLOWED_TOLERATIONS} is not set in the cluster")
    assert found.content["notes"] == ["ClusterRole of-a-chart adds its rules to edit"]
    assert "page only" in found.text and "cluster only" in found.text

    world.server.ask("DELETE", f"{RBAC}/clusterroles/of-a-chart")
    for command in {part for text in found.content["differences"] for part in text.split("`") if "kubectl " in part}:
        world.kubectl(*shlex.split(command)[1:])
    assert world.stack.up(["--refresh"]) == 0
    world.grant()
    assert shown().content["differences"] == []


def test_a_kubeconfig_that_has_ended_is_told(world: World) -> None:
    kubeconfig, server = world.stack.clone.kubeconfig("dev"), world.server
    valid = kubeconfig.read_text()
    kubeconfig.write_text(server.kubeconfig("hardway:admin", ADMIN_GROUP, ends=-timedelta(hours=1)))
    try:
        with pytest.raises(ToolError, match=r"has ended, .*: `make up STACK=dev` writes another one"):
            show(world.stack, as_json=False)
    finally:
        kubeconfig.write_text(valid)


def test_the_page_wins_over_a_change_by_hand(world: World) -> None:
    """A field that kubectl has written belongs to kubectl, and an ordinary change of it would be a conflict."""
    world.kubectl("label", "namespace", "shop", f"{ENFORCE}=privileged", "--overwrite")
    world.kubectl("patch", "resourcequota", LIMITED_BY, "--namespace=shop", '--patch={"spec":{"hard":{"pods":"200"}}}')
    (namespace,) = ACCESS["namespaces"]
    assert isinstance(namespace, dict)
    changed = {**namespace, "podSecurity": "baseline", "quota": {**namespace["quota"], "pods": "3"}}
    for key in ("nodeSelector", "tolerations"):
        del changed[key]
    world.up({**ACCESS, "namespaces": [changed]})
    assert not {*ANNOTATIONS} & world.server.ask("GET", SHOP)["metadata"]["annotations"].keys()
    assert world.server.ask("GET", SHOP)["metadata"]["labels"][ENFORCE] == "baseline"
    assert world.server.ask("GET", QUOTA)["spec"]["hard"]["pods"] == "3"
    world.up(ACCESS)


def test_the_policies_name_roles_of_the_page_that_lead_to_all_rights(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """With objects as the real provider plans them."""
    reads = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    given = {"name": "oidc:audit"}
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
        becomes(lambda who=who: world.status(who, "GET", f"{SHOP}/pods")[0], 403, 60, who)  # type: ignore[misc]
