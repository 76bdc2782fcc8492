"""The outline of releases in a preview. The report has to predict what `apply.sh` does."""

import asyncio
from types import SimpleNamespace

import pulumi
import pytest
from clusters import Cluster, cluster
from test_release import CHANGES, reloads, restarts

from components.node.release import fixed_manifest, material_files, outline, unit_flags
from components.node.render.systemd import flags, service
from components.rollout import node_release as stage
from tools.report.nodes import RELEASE, node_changes
from tools.report.read import Preview, Step

UPGRADE = {"a kubernetes upgrade": ({"versions.kubernetes": "1.36.4"},)}


def said(made: Cluster, node: str) -> dict[str, object]:
    """The inputs of a node's release as a preview has them."""
    release = made.release(node)
    shown = outline(made.part(node), made.artifacts(node))
    return {"digest": release.digest, "manifest": release.manifest, **shown}


@pytest.mark.parametrize("change", [case[0] for case in (CHANGES | UPGRADE).values()], ids=[*CHANGES, *UPGRADE])
def test_a_report_foretells_what_the_machine_will_do(change: dict[str, object]) -> None:
    before, after = cluster("stacked"), cluster("stacked", change)
    names = [node.name for node in after.topology.nodes if node.name in {n.name for n in before.topology.nodes}]
    steps = [Step("update", f"urn:pulumi:s::p::{RELEASE}::{n}", said(before, n), {}, said(after, n)) for n in names]
    told = {node.name: node for node in node_changes(Preview("s", tuple(steps)))}
    for name in names:
        old, new = before.release(name), after.release(name)
        assert (name in told) == (old.digest != new.digest)
        if name in told:
            assert {*told[name].restarts, *told[name].started} == restarts(old, new), name
            assert {*told[name].reloads} == reloads(old, new), name


def test_what_is_known_of_a_manifest_before_certificates_are() -> None:
    made = cluster("stacked")
    for node in made.topology.nodes:
        part, release = made.part(node.name), made.release(node.name)
        known = fixed_manifest(part, made.artifacts(node.name))
        filled = material_files(part)
        assert {path: digest for path, digest in release.manifest.items() if path not in filled} == known
        assert filled.keys() | known.keys() == release.manifest.keys()


VALUES = {
    "plain": "a",
    "space": "a b",
    "percent": "50%",
    "dollar": "$HOME",
    "quote": 'say "x"',
    "empty": "",
    "is": "a=b,c=d",
}


def test_flags_are_read_as_they_were_meant() -> None:
    text = service(description="A", documentation="https://x", command=["/bin/a", *flags(VALUES, {})])
    assert unit_flags(text) == VALUES


def test_units_without_a_program_have_no_flags() -> None:
    assert unit_flags("[Path]\nPathExists=/run/x\n") == {}


@pytest.mark.parametrize("hidden", [True, False])
def test_flags_of_a_secret_page_are_secret(hidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", lambda key: hidden and key == "hardway:extraArgs")
    made = cluster("stacked", {"extraArgs.kube-apiserver": {"event-ttl": "2h"}})
    part = made.part("cp-1")
    args = SimpleNamespace(part=part, artifacts=made.artifacts("cp-1"))

    async def is_secret() -> bool:
        return await pulumi.Output.from_input(stage._outline(args)["flags"]).is_secret()  # type: ignore[arg-type]

    assert asyncio.run(is_secret()) == hidden
