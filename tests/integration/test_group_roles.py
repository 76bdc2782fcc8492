"""Roles of groups with the real engine, the real provider and a real API server."""

import json
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import ApiServer, api_server, controllers
from people_world import PROGRAM

from components.addons.bindings import binding_name
from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMESPACES = "/api/v1/namespaces"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    if not (this_clone().pulumi_home / "plugins").is_dir():
        pytest.skip("no plugins in this clone yet: run `make tools`")
    with api_server(tmp_path_factory.mktemp("api")) as server, controllers(server, "garbage-collector-controller"):
        yield server


def status_of(api: ApiServer, path: str) -> int:
    """The status of the answer to a GET."""
    try:
        api.ask("GET", path)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_groups_get_and_lose_roles_and_namespaces_stay(stack: Stack, api: ApiServer) -> None:
    """A namespace that exists is adopted. Another role of a group is another binding, and the first one goes."""
    plugins = stack.clone.pulumi_home / "plugins"
    plugins.parent.mkdir()
    plugins.symlink_to(this_clone().pulumi_home / "plugins")
    (stack.clone.root / "__main__.py").write_text(PROGRAM)
    (stack.clone.root / "kubeconfig.json").write_text(api.kubeconfig("deployer", "system:masters"))

    def up(*groups: dict[str, Any]) -> int:
        content = {"developers": [], "groups": groups}
        (stack.clone.root / "access.json").write_text(json.dumps(content))
        return stack.up()

    def binding(place: str, role: str) -> str:
        kind = f"namespaces/{place}/rolebindings" if place else "clusterrolebindings"
        return f"{RBAC}/{kind}/{binding_name('Group', 'oidc:shop', role)}"

    api.ask("POST", NAMESPACES, {"metadata": {"name": "shop", "labels": {"made-by": "somebody"}}})
    assert up({"name": "oidc:shop", "role": "edit", "namespaces": ["shop", "new"]}) == 0
    for place in ("shop", "new"):
        found = api.ask("GET", binding(place, "edit"))
        assert found["roleRef"]["name"] == "edit"
        assert [(one["kind"], one["name"]) for one in found["subjects"]] == [("Group", "oidc:shop")]
    assert api.ask("GET", f"{NAMESPACES}/shop")["metadata"]["labels"]["made-by"] == "somebody"

    assert up({"name": "oidc:shop", "role": "view", "namespaces": ["shop"]}, {"name": "oidc:shop", "role": "edit"}) == 0
    assert status_of(api, binding("shop", "view")) == status_of(api, binding("", "edit")) == 200
    assert status_of(api, binding("shop", "edit")) == status_of(api, binding("new", "edit")) == 404

    assert up() == 0
    assert status_of(api, binding("shop", "view")) == status_of(api, binding("", "edit")) == 404
    for place in ("shop", "new"):
        assert api.ask("GET", f"{NAMESPACES}/{place}")["status"]["phase"] == "Active"
