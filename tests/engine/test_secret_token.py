"""A static token on the page of a stack, with the real engine: the command of docs/access.md, and what stays secret."""

import json
import re
from pathlib import Path

import policy_engine
import pytest
import yaml
from conftest import DATA

pytestmark = pytest.mark.skipif(not policy_engine.ENGINE.exists(), reason="no engine in this clone yet: `make tools`")

TOKEN = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e"
PAGE = {
    "cluster": {"name": "token"},
    "nodes": [{"name": "cp-1", "roles": ["etcd", "control-plane", "worker"]}],
    "access": {"tokens": [{"name": "monitoring", "groups": ["robots"]}]},
}
PROGRAM = """
import pulumi

from components import config
from components.pki.cluster_pki import ClusterPki, ClusterPkiArgs
from components.topology import MachineNetwork, plan

page = config.from_pulumi()
hosts = {node.name: 11 + index for index, node in enumerate(page.nodes)}
pki = ClusterPki("pki", ClusterPkiArgs(page, plan(page, MachineNetwork("10.100.7.0/24", hosts), ("127.0.0.1", 7443))))
pulumi.export("file", pki.material["static-tokens"].content)
pulumi.export("identity", pki.material["static-tokens"].identity)
"""
KEY = "hardway:access.tokens[0].token"


def test_the_documented_command_gives_the_program_a_secret(tmp_path: Path) -> None:
    document = (DATA.parents[1] / "docs/access.md").read_text()
    (command,) = re.findall(r"\| pulumi (config set .*) --stack dev$", document, re.MULTILINE)
    stack = policy_engine.make("cluster", tmp_path / "stack", PAGE)
    (stack.folder / "__main__.py").write_text(PROGRAM)
    done = stack.run(*command.replace("'", "").split(), stdin=TOKEN)
    assert done.code == 0, done.output
    page = (stack.folder / "Pulumi.dev.yaml").read_text()
    (entry,) = yaml.safe_load(page)["config"]["hardway:access"]["tokens"]
    assert TOKEN not in page and entry["name"] == "monitoring" and [*entry["token"]] == ["secure"]

    preview = stack.run("preview", "--diff")
    assert preview.code == 0 and TOKEN not in preview.output, preview.output
    stack.up()
    assert TOKEN not in stack.run("stack", "export").output
    shown = json.loads(stack.run("stack", "output", "--json").output)
    assert shown["file"] == "[secret]" and re.fullmatch(r"[0-9a-f]{64}", shown["identity"])
    secret = json.loads(stack.run("stack", "output", "--json", "--show-secrets").output)
    assert secret["file"] == f"{TOKEN},monitoring,monitoring,robots\n"


def test_a_token_in_plain_text_stops_the_program_before_anything_is_made(tmp_path: Path) -> None:
    stack = policy_engine.make("cluster", tmp_path / "stack", PAGE)
    assert stack.run("config", "set", "--plaintext", "--path", KEY, TOKEN).code == 0
    found = stack.run("preview")
    assert found.code != 0 and f"{KEY}: the value is on the page in plain text" in found.output
    assert TOKEN not in found.output
