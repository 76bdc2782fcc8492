"""A stack with the real engine, whose program needs no plugins."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.common.paths import Clone, this_clone
from tools.operate.stack import Stack

ENGINE = this_clone().bin / "pulumi"
PAGE = "# kept as it is\nconfig:\n  scratch:x:   {a: 1}   # also this\n"
PROGRAM = """
import hashlib, json, os, time
import pulumi

kept = pulumi.Stash("kept", input=pulumi.Output.secret(os.environ["VALUE"]),
                    opts=pulumi.ResourceOptions(ignore_changes=["input"]))
if os.environ.get("PROTECTED"):
    pulumi.Stash("data", input="x", opts=pulumi.ResourceOptions(protect=os.environ["PROTECTED"] == "yes"))
if os.environ.get("FAIL"):
    raise Exception("half way")
if os.environ.get("WAIT"):
    open("waiting", "w").close()
    time.sleep(60)
pulumi.export("kubeconfig", kept.output)
digest = kept.output.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
pulumi.export("kubeconfigSha256", pulumi.Output.unsecret(digest))
if "CERTIFICATES" in os.environ:
    pulumi.export("certificates", json.loads(os.environ["CERTIFICATES"]))
"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    if not ENGINE.exists():
        pytest.skip("no engine in this clone yet: run `make tools`")
    for name in [name for name in os.environ if name.startswith("PULUMI_") or name == "HARDWAY_CLONE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VALUE", "first secret")
    monkeypatch.setenv("PATH", f"{ENGINE.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(this_clone().root))
    clone = Clone(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "bin").symlink_to(ENGINE.parent)
    (tmp_path / ".venv").symlink_to(this_clone().venv.resolve())
    project = "name: scratch\nruntime: {name: python, options: {virtualenv: .venv}}\n"
    (tmp_path / "Pulumi.yaml").write_text(project)
    clone.page("dev").write_text(PAGE)
    (tmp_path / "__main__.py").write_text(PROGRAM)
    yield Stack(clone, "dev")
    assert clone.page("dev").read_text() == PAGE
    assert (tmp_path / "Pulumi.yaml").read_text() == project
