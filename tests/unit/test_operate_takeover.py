"""The run that adopts a stack of an earlier version does not rename its cluster."""

import json
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.operate.takeover import refuse_rename

PROVIDER = "pulumi:providers:kubernetes"


def state(folder: Path, *resources: tuple[str, str]) -> Path:
    path = folder / "dev.json"
    found = [{"type": kind, "urn": f"urn:pulumi:dev::hardway::{kind}::{name}"} for kind, name in resources]
    path.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "dev", "latest": {"resources": found}}}))
    return path


def page(folder: Path, name: str) -> Path:
    path = folder / "Pulumi.dev.yaml"
    path.write_text(f"config:\n  hardway:cluster:\n    name: {name}\n")
    return path


def test_a_stack_of_an_earlier_version_keeps_its_name_in_the_first_run(tmp_path: Path) -> None:
    old = state(tmp_path, (PROVIDER, "dev"))
    refuse_rename([old], "dev", page(tmp_path, "dev"))
    with pytest.raises(ToolError, match=r"cluster.name: 'prod' cannot take the place of 'dev'.*allowed: dev\. Run"):
        refuse_rename([old], "dev", page(tmp_path, "prod"))


def test_a_stack_of_this_version_may_be_renamed(tmp_path: Path) -> None:
    new = state(tmp_path, (PROVIDER, "cluster"), ("pulumi:index:Stash", "fixed-values"))
    refuse_rename([new], "dev", page(tmp_path, "prod"))


@pytest.mark.parametrize("resources", [(), (("pulumi:pulumi:Stack", "hardway-dev"),)])
def test_a_stack_without_a_cluster_has_any_name(tmp_path: Path, resources: tuple[tuple[str, str], ...]) -> None:
    refuse_rename([state(tmp_path, *resources)], "dev", page(tmp_path, "prod"))
    refuse_rename([], "dev", page(tmp_path, "prod"))
