"""`make access`: bindings of Kubernetes, the page, and the text. tests/integration/test_access_command.py runs it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from authorities import make

from components.addons.isolation import policy_spec
from components.config.access import Access
from tools.access.built_in import built_in_rights
from tools.access.cluster import found
from tools.access.compare import Comparison, compare
from tools.access.limits import with_defaults
from tools.access.lines import lines
from tools.access.rights import UNREADABLE, Right, rights_of
from tools.access.show import document
from tools.access.wanted import load_access, wanted
from tools.common.errors import ToolError

GROUP = "rbac.authorization.k8s.io"
TESTDATA = "plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata"


def binding(name: str, role: str, *subjects: dict[str, str], namespace: str = "", **more: Any) -> dict[str, Any]:
    """A binding as the API has it."""
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {}), **more},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": list(subjects),
    }


def role(name: str, *rules: dict[str, Any], **labels: str) -> dict[str, Any]:
    """A ClusterRole as the API has it."""
    return {"kind": "ClusterRole", "metadata": {"name": name, "labels": labels}, "rules": list(rules)}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    """A namespace as the API has it."""
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}


ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
BOB = {"kind": "User", "name": "bob"}
NOBODY = Access(developers=())


def of_program() -> list[dict[str, Any]]:
    """The bindings that each cluster has."""
    return [
        binding(name, right.role, {"kind": right.kind, "name": right.subject})
        for (_, name), right in wanted(NOBODY).bindings.items()
    ]


def compared(*items: dict[str, Any], access: Access = NOBODY) -> Comparison:
    """The comparison of a page with a cluster that has these objects, besides those of the program."""
    return compare(wanted(access), found([*of_program(), *items]), "dev")


def modules() -> Path | None:
    """The folder with the modules of Go, if there is one."""
    if shutil.which("go") is None:
        return None
    return Path(subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip())


@pytest.mark.parametrize("version", ["1.36.4", "1.37.1"])
def test_each_binding_of_kubernetes_is_known(version: str) -> None:
    """The bindings as the tests of Kubernetes have them. tests/integration/test_access_command.py asks a real API."""
    folder = modules()
    data = folder / f"k8s.io/kubernetes@v{version}" / TESTDATA if folder else Path("/nonexistent")
    if not data.is_dir():
        pytest.skip(f"no source of Kubernetes {version} here: a build of it fetches the source")
    for file in ("cluster-role-bindings.yaml", "controller-role-bindings.yaml", "namespace-role-bindings.yaml"):
        for item in yaml.safe_load((data / file).read_text())["items"]:
            place, name = item["metadata"].get("namespace", ""), item["metadata"]["name"]
            rights = frozenset(rights_of(item, is_namespaced=bool(place)))
            assert built_in_rights(place, name) == rights, (place, name)


def test_no_other_binding_is_of_kubernetes() -> None:
    assert built_in_rights("", "cluster-admins") is None
    assert built_in_rights("default", "system:controller:cloud-provider") is None
    assert built_in_rights("kube-system", "cluster-admin") is None


def test_a_cluster_as_the_program_makes_it() -> None:
    found_ = compared()
    assert (found_.differences, found_.notes) == ((), ())
    # Components of the cluster are no people.
    assert {one.right.subject for one in found_.rights} == {"hardway:cluster-admins", "hardway:deployers"}


def test_a_missing_binding_of_a_component_is_told() -> None:
    everything = of_program()[1:]
    (text,) = compare(wanted(NOBODY), found(everything), "dev").differences
    assert text.startswith("ClusterRoleBinding hardway-apiserver-kubelet is not in the cluster")


def test_a_revocation_of_the_program_is_taken_back_on_request_only() -> None:
    """An ordinary `up` does not make this binding."""
    items = [one for one in of_program() if one["metadata"]["name"] != "hardway-deployers"]
    (text,) = compare(wanted(NOBODY), found(items), "prod").differences
    assert "`make up STACK=prod ARGS=\"--replace '**::grant'\"` makes it" in text


def test_another_role_under_a_name_of_the_page_is_told() -> None:
    items = [one for one in of_program() if one["metadata"]["name"] != "hardway-maintenance"]
    changed = binding("hardway-maintenance", "cluster-admin", {"kind": "User", "name": "hardway:maintenance"})
    texts = compare(wanted(NOBODY), found([*items, changed]), "dev").differences
    assert any("so user hardway:maintenance has the role cluster-admin" in text for text in texts)
    assert any("does not have the role hardway-maintenance" in text for text in texts)


@pytest.mark.parametrize(
    "subject",
    [BOB, {"kind": "Group", "name": "system:authenticated"}, {"kind": "Group", "name": "system:serviceaccounts"}],
)
def test_people_without_the_page(subject: dict[str, str]) -> None:
    for item in (binding("own", "view", subject), binding("own", "view", subject, namespace="shop")):
        (text,) = compared(item, role("view")).differences
        assert subject["name"] in text and "`kubectl delete" in text


@pytest.mark.parametrize(
    ("where", "place", "rules", "told"),
    [
        ("", "default", [ALL], True),
        ("", "default", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}], True),
        ("", "default", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}], False),
        ("shop", "shop", [ALL], False),
        # Rights in kube-system are rights of the whole cluster.
        ("kube-system", "shop", [ALL], True),
        # Nobody without rights in kube-system reaches its accounts.
        ("", "kube-system", [ALL], False),
    ],
)
def test_accounts_of_pods_are_told_if_they_lead_to_all_rights(
    where: str, place: str, rules: list[dict[str, Any]], told: bool
) -> None:
    """A note, because charts make such bindings, and the page has no line for them."""
    account = {"kind": "ServiceAccount", "name": "robot", "namespace": place}
    found_ = compared(binding("own", "wide", account, namespace=where), role("wide", *rules))
    assert found_.differences == ()
    assert bool(found_.notes) == told
    assert all(f"service account {place}:robot" in text and "leads to all rights" in text for text in found_.notes)
    assert any(one.right.kind == "ServiceAccount" for one in found_.rights) == told


def test_a_role_of_others_has_to_be_there() -> None:
    access = Access.model_validate({"developers": [], "roles": [{"name": "made-by-a-chart"}]})
    assert compared(role("made-by-a-chart"), access=access).differences == ()
    (text,) = compared(access=access).differences
    assert text.startswith("there is no ClusterRole made-by-a-chart, which the page names")


def test_namespaces_that_left_the_page_are_a_note() -> None:
    ours = {"app.kubernetes.io/managed-by": "hardway"}
    found_ = compared(namespace("old", **ours), namespace("theirs"), namespace("kube-system"))
    assert found_.differences == ()
    assert found_.notes == (
        "namespace old was on the page, and stays with all that is in it: `kubectl delete namespace old` deletes it",
    )


def test_a_namespace_without_a_line_of_its_own_has_no_level() -> None:
    """A developer's namespace has the level of the API servers."""
    access = Access.model_validate({"developers": [{"name": "alice", "namespace": "shop"}]})
    group = {"kind": "Group", "name": "hardway:developers:shop"}
    bound = binding("hardway-developers", "edit", group, namespace="shop")
    assert compared(bound, namespace("shop"), access=access).differences == ()
    label = {"pod-security.kubernetes.io/enforce": "privileged"}
    (text,) = compared(bound, namespace("shop", **label), access=access).differences
    assert "is privileged in the cluster, not set on the page" in text
    assert "`kubectl label namespace shop pod-security.kubernetes.io/enforce- --overwrite`" in text


def test_amounts_are_compared_and_not_texts() -> None:
    access = Access.model_validate({"developers": [], "namespaces": [{"name": "shop", "quota": {"cpu": "2000m"}}]})
    here = namespace("shop", **{"pod-security.kubernetes.io/enforce": "restricted"})

    def quota(cpu: str) -> dict[str, Any]:
        return {
            "kind": "ResourceQuota",
            "metadata": {"name": "hardway", "namespace": "shop"},
            "spec": {"hard": {"cpu": cpu}},
        }

    assert compared(here, quota("2"), access=access).differences == ()
    (text,) = compared(here, quota("3"), access=access).differences
    assert text.startswith("namespace shop: quota cpu is 3 in the cluster, 2000m on the page: ")
    (text,) = compared(here, access=access).differences
    assert "quota cpu is not set in the cluster" in text


def test_defaults_of_an_api_server() -> None:
    """SetDefaults_LimitRangeItem; tests/integration/test_access_command.py compares with a real API server."""
    filled = with_defaults({"max": {"cpu": "2"}, "default": {"memory": "1Gi"}, "min": {"cpu": "1", "memory": "1Mi"}})
    assert filled["default"] == {"cpu": "2", "memory": "1Gi"}
    assert filled["defaultRequest"] == {"cpu": "2", "memory": "1Gi"}
    assert with_defaults({"min": {"cpu": "1"}})["defaultRequest"] == {"cpu": "1"}


def test_the_text_lists_holders_of_certificates() -> None:
    access = Access.model_validate({"developers": [{"name": "alice", "namespace": "shop"}]})
    objects = found(of_program())
    text = list(lines(compare(wanted(access), objects, "dev"), wanted(access), objects))
    rows = [line.split() for line in text]
    assert ["alice", "those", "of", "hardway:developers:shop", "certificate"] in rows
    assert ["hardway:admin", "those", "of", "hardway:cluster-admins", "certificate"] in rows
    assert "NAMESPACE shop is not in the cluster" in text
    assert "The page and the cluster differ:" in text


def test_what_a_plan_does_not_show_is_told() -> None:
    assert list(rights_of({}, is_namespaced=False)) == []
    (right,) = rights_of({"subjects": "unknown"}, is_namespaced=True)
    assert right == Right(UNREADABLE, UNREADABLE, UNREADABLE, UNREADABLE)
    assert right.who() == UNREADABLE


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        ({"groups": 5}, "hardway:access.groups: 5 is not a list"),
        ({"typo": 1}, "hardway:access.typo: 'typo' is not a known key"),
        ({"users": [{"name": "bob", "role": "view"}]}, "hardway:access.users[0].name: neither an issuer nor"),
        ({"developers": [{"name": "a", "namespace": "default"}]}, "'default' belongs to Kubernetes"),
        (
            {"developers": [{"name": "admin", "namespace": "shop"}]},
            "access.developers[0].name: 'admin' is the cluster's",
        ),
        (5, "hardway:access: 5 is not a mapping"),
    ],
)
def test_a_wrong_page_is_one_error(tmp_path: Path, access: Any, problem: str) -> None:
    page = tmp_path / "Pulumi.dev.yaml"
    page.write_text(json.dumps({"config": {"hardway:access": access}}))
    with pytest.raises(ToolError) as caught:
        load_access(page)
    assert str(caught.value).startswith("Pulumi.dev.yaml: hardway:access")
    assert problem in str(caught.value)


def test_a_page_without_people_has_the_defaults(tmp_path: Path) -> None:
    page = tmp_path / "Pulumi.dev.yaml"
    page.write_text("config: {}\n")
    assert load_access(page) == Access()


def test_limits_that_somebody_emptied_are_a_difference() -> None:
    """An API server writes an empty list as null."""
    page = Access.model_validate({"developers": [], "namespaces": [{"name": "shop", "limits": {"max": {"cpu": "1"}}}]})
    place = {"name": "hardway", "namespace": "shop"}
    for spec in ({"limits": None}, {"limits": []}):
        emptied = {"kind": "LimitRange", "metadata": place, "spec": spec}
        texts = compared(namespace("shop"), emptied, access=page).differences
        assert [text for text in texts if "limits.max cpu is not set in the cluster, 1 on the page" in text]


@pytest.mark.parametrize(
    ("spec", "scopes"),
    [
        ({"scopes": ["Terminating"]}, "Terminating"),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"operator": "In", "scopeName": "PriorityClass", "values": ["x"]}]
                }
            },
            "PriorityClass",
        ),
    ],
)
def test_a_quota_that_counts_only_some_pods_is_a_difference(spec: Any, scopes: str) -> None:
    page = Access.model_validate({"developers": [], "namespaces": [{"name": "shop", "quota": {"pods": "1"}}]})
    meta = {"name": "hardway", "namespace": "shop"}
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    quota = {"kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "1"}}}
    assert compared(namespace("shop", **level), quota, access=page).differences == ()
    quota["spec"] = {"hard": {"pods": "1"}, **spec}
    (text,) = compared(namespace("shop", **level), quota, access=page).differences
    assert f"quota scopes is {scopes} in the cluster, not set on the page" in text


def test_an_old_version_of_the_level_is_a_difference() -> None:
    page = Access.model_validate({"developers": [], "namespaces": [{"name": "shop"}]})
    label = "pod-security.kubernetes.io/enforce"
    for version, differs in (("latest", False), ("v1.0", True)):
        found = compared(namespace("shop", **{label: "restricted", f"{label}-version": version}), access=page)
        texts = [text for text in found.differences if f"`kubectl label namespace shop {label}-version-`" in text]
        assert bool(texts) == bool(found.differences) == differs


def test_a_page_with_encrypted_tokens_can_be_read(tmp_path: Path) -> None:
    """`make access` decrypts nothing. The table has the groups of each token, and who else is believed."""
    authority = make("CN=Web CA").chain
    service = {"url": "https://hooks.example.com", "certificateAuthority": authority}
    access = {
        "developers": [],
        "tokens": [
            {"name": "ci", "groups": ["robots"], "token": {"secure": "v1:abc"}},
            {"name": "cd", "token": {"secure": "v1:abc"}},
        ],
        "proxy": {"names": ["login"], "prefix": "sso:"},
        "tokenWebhook": {**service, "prefix": "corp:"},
        "authorizationWebhook": service,
    }
    page = tmp_path / "Pulumi.dev.yaml"
    page.write_text(json.dumps({"config": {"hardway:access": access}}))
    want = wanted(load_access(page))
    have = found(of_program())
    text = "\n".join(lines(compare(want, have, "dev"), want, have))
    assert re.search(r"^ci +those of robots +token$", text, re.MULTILINE)
    assert re.search(r"^cd +its own +token$", text, re.MULTILINE)
    for key in ("proxy", "tokenWebhook", "authorizationWebhook"):
        assert f"- access.{key}: " in text
    tokens = document("dev", compare(want, have, "dev"), want, have)["tokens"]
    assert tokens == [{"subject": "ci", "groups": ["robots"]}, {"subject": "cd", "groups": []}]


def test_a_token_in_plain_text_beside_an_encrypted_one_is_told(tmp_path: Path) -> None:
    """The program cannot know: Pulumi says only that there is a secret in `access`."""
    plain = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e"
    tokens = [{"name": "ci", "token": {"secure": "v1:abc"}}, {"name": "cd", "token": plain}]
    page = tmp_path / "Pulumi.dev.yaml"
    page.write_text(json.dumps({"config": {"hardway:access": {"tokens": tokens}}}))
    with pytest.raises(ToolError) as caught:
        load_access(page)
    text = str(caught.value)
    assert text.startswith(
        "Pulumi.dev.yaml: hardway:access.tokens[1].token: the value is on the page in plain text, so "
    )
    assert plain not in text and len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("access", "place"),
    [
        ({"secure": "v1:abc"}, "access"),
        ({"tokens": {"secure": "v1:abc"}}, "access.tokens"),
        (
            {"tokens": [{"name": "ci", "token": {"secure": "v1:a"}, "groups": [{"secure": "v1:a"}]}]},
            "access.tokens[0].groups[0]",
        ),
    ],
)
def test_what_else_is_encrypted_is_told_by_its_place(access: Any, place: str, tmp_path: Path) -> None:
    """The program decrypts the whole page, so the page is right, and only `make access` cannot read it."""
    page = tmp_path / "Pulumi.dev.yaml"
    page.write_text(json.dumps({"config": {"hardway:access": access}}))
    with pytest.raises(ToolError) as caught:
        load_access(page)
    assert str(caught.value) == (
        f"Pulumi.dev.yaml: hardway:{place} is encrypted, and `make access` decrypts nothing; encrypt only "
        "access.tokens[].token"
    )


def test_another_node_selector_is_a_difference() -> None:
    access = Access.model_validate({"developers": [], "namespaces": [{"name": "shop", "nodeSelector": {"a": "1"}}]})
    shop = namespace("shop", **{"pod-security.kubernetes.io/enforce": "restricted"})
    (text,) = compared(shop, access=access).differences
    key = "scheduler.alpha.kubernetes.io/node-selector"
    assert text == (
        f"namespace shop: the annotation {key} is not set in the cluster, a=1 on the page: `kubectl annotate namespace "
        f"shop --overwrite {key}=a=1`"
    )
    shop["metadata"]["annotations"] = {key: "a=1"}
    assert compared(shop, access=access).differences == ()
    (text,) = compared(
        shop, access=Access.model_validate({"developers": [], "namespaces": [{"name": "shop"}]})
    ).differences
    assert text.endswith(f"`kubectl annotate namespace shop --overwrite {key}-`")


def network_policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


@pytest.mark.parametrize(
    ("page", "spec", "told"),
    [
        ("isolated", policy_spec(), ""),
        ("open", None, ""),
        ("isolated", None, "the network policy hardway of the page is not in the cluster: `make up STACK=dev"),
        ("isolated", {"podSelector": {}}, "the network policy hardway is not as on the page: `kubectl delete"),
        ("open", policy_spec(), "the network policy hardway is not on the page: `kubectl delete networkpolicy hardway"),
    ],
)
def test_the_network_of_a_namespace_is_compared(page: str, spec: dict[str, Any] | None, told: str) -> None:
    access = Access.model_validate({"developers": [], "namespaces": [{"name": "shop", "network": page}]})
    here = [namespace("shop", **{"pod-security.kubernetes.io/enforce": "restricted"})]
    here += [network_policy("hardway", spec)] if spec else []
    here += [network_policy("of-people", {"podSelector": {}})]
    texts = compared(*here, access=access).differences
    assert [text.startswith(f"namespace shop: {told}") for text in texts] == ([True] if told else [])


def test_policies_that_may_allow_more_are_shown() -> None:
    access = Access.model_validate({"developers": [], "namespaces": [{"name": "shop", "network": "isolated"}]})
    items = [namespace("shop"), *(network_policy(name, policy_spec()) for name in ("hardway", "web", "from-all"))]
    have, want = found([*of_program(), *items]), wanted(access)
    (line,) = [one for one in lines(compare(want, have, "dev"), want, have) if one.startswith("NAMESPACE shop")]
    assert line.endswith("; network isolated, more allowed by from-all, web")
