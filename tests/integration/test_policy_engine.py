"""The policy pack with the real engine: refused previews, passed previews, and checks of a state alone."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import policy_engine
import pytest
from conftest import changed

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate import policy_check

pytestmark = pytest.mark.skipif(not policy_engine.ENGINE.exists(), reason="no engine in this clone yet: `make tools`")

LEAF = "LocallySignedCert::cp-1-apiserver"
PAGE = {
    "cluster": {"name": "policies"},
    "nodes": [{"name": "cp-1", "roles": ["etcd", "control-plane", "worker"]}],
    "pki": {"profiles": {"server": {"lifetime": "720h", "renewBefore": "12h"}}},
}
LIMITS = {
    "certificate-remaining-life": {"machineHours": 48},
    "certificate-renewal-window": {"machineHours": 12},
    "etcd-members": "disabled",
    "unprotected": "disabled",
}


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    path = tmp_path / "limits.json"
    path.write_text(json.dumps(LIMITS))
    return path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> policy_engine.Stack:
    """A stack with the project's PKI whose API server has a certificate with 24 hours left.

    Only this time is edited in the state. The certificate is as the provider made it.
    """
    stack = policy_engine.make("cluster", tmp_path_factory.mktemp("cluster") / "stack", PAGE)
    stack.up()
    export = json.loads(stack.run("stack", "export").output)
    (leaf,) = (r for r in export["deployment"]["resources"] if r["urn"].endswith(LEAF))
    end = datetime.now(UTC) + timedelta(hours=24)
    leaf["outputs"]["validityEndTime"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    edited = stack.folder / "edited.json"
    edited.write_text(json.dumps(export))
    answer = stack.run("stack", "import", "--file", str(edited))
    assert answer.code == 0, answer.output
    return stack


def test_a_leaf_of_24_hours_stops_a_preview_until_its_renewal_is_planned(
    cluster: policy_engine.Stack, limits: Path
) -> None:
    cluster.configure(PAGE)
    stopped = cluster.preview(config=limits)
    assert stopped.code != 0
    assert [*stopped.policies] == [("certificate-remaining-life", "mandatory")]
    (message,) = stopped.policies["certificate-remaining-life", "mandatory"]
    assert message.startswith("cp-1-apiserver (machine): 24.0 hours left (until ") or "23.9 hours left" in message
    assert "the limit is 48 hours, and no renewal is planned. `make up` renews it in the last 12 hours" in message
    # Now the provider renews the certificate, so its end is unknown.
    cluster.configure(changed(PAGE, {"pki.profiles.server.renewBefore": "96h"}))
    passed = cluster.preview(config=limits)
    assert passed.code == 0, passed.output
    assert passed.policies == {}
    assert "+-1 to replace" in passed.output


@pytest.fixture
def clone(cluster: policy_engine.Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clone]:
    """The folder of the stack with the layout of a clone, for `make policy-check`."""
    (cluster.folder / ".cache").mkdir(exist_ok=True)
    for link, target in (
        (".cache/bin", policy_engine.ENGINE.parent),
        (".cache/pulumi", cluster.folder / "home"),
        ("policies", policy_engine.PACK),
    ):
        if not (cluster.folder / link).exists():
            (cluster.folder / link).symlink_to(target)
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{cluster.folder / 'state'}")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "test")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    yield Clone(cluster.folder)
    assert not list(cluster.folder.glob(".state/*/policy-check-*"))


def test_the_state_alone_shows_the_same(clone: Clone, limits: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = clone.page("dev").read_text()
    assert policy_check.check(clone, "dev", limits) != 0
    output = capfd.readouterr().out
    lines = [line.split() for line in output.splitlines()]
    (row,) = (line for line in lines if line[:2] == ["cp-1-apiserver", "machine"])
    assert row[3] in ("1.0", "0.9")
    assert row[5:] == ["less", "than", "48", "hours", "left"]
    assert lines[1][0] == "cp-1-apiserver", "the one that ends first comes first"
    assert (
        "[mandatory] [severity: critical]  certificate-remaining-life  (tls:index:LocallySignedCert: cp-1-ap" in output
    )
    assert "PRIVATE KEY" not in output
    assert clone.page("dev").read_text() == page
    # Only certificates are checked, not the number of etcd members.
    assert "etcd-members" not in output


def test_a_later_night(clone: Clone, limits: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    limits.write_text(json.dumps({**LIMITS, "certificate-remaining-life": "disabled"}))
    monkeypatch.setenv("HARDWAY_NOW", (datetime.now(UTC) + timedelta(days=25)).isoformat())
    assert policy_check.check(clone, "dev", limits) == 0
    text = capfd.readouterr().out
    assert "  ended" in text
    assert "  due: `make up` renews it" in text
    assert "  ok" in text


def test_a_stack_that_there_is_not(clone: Clone, limits: Path) -> None:
    with pytest.raises(ToolError, match=r"stack prod does not exist: there is nothing to check; `make up STACK=prod`"):
        policy_check.check(clone, "prod", limits)


def test_a_program_that_does_nearly_everything_wrong(tmp_path: Path) -> None:
    run = policy_engine.make("unsafe", tmp_path / "unsafe").preview(config="prod")
    assert run.code != 0
    assert run.mandatory == {
        "admin-credential-lifetime",
        "artifact-digest",
        "certificate-authority-rights",
        "certificate-both-uses",
        "certificate-key",
        "certificate-lifetime",
        "certificate-outlives-authority",
        "certificate-remaining-life",
        "certificate-renewal-window",
        "etcd-members",
        "key-strength",
        "plain-http",
        "plain-http-endpoint",
        "secret-in-command",
        "ssh-host-key",
        "unprotected",
    }
    assert sorted(text.split()[0] for text in run.policies["certificate-renewal-window", "mandatory"]) == [
        "early:",
        "late:",
    ]
    assert "MHcCAQEEIHush" not in run.output


def test_plans_that_take_machines_away(tmp_path: Path) -> None:
    stack = policy_engine.make("machines", tmp_path / "machines")
    stack.up()
    # The policy pack itself exports the state before the plan.
    one = stack.preview(env={"MACHINES": '{"cp-1": "2"}', "IMAGE": "two"})
    assert (one.code, one.policies) == (0, {}), one.output
    two = stack.preview(env={"MACHINES": '{"cp-1": "2", "cp-3": "2"}'})
    assert two.code != 0
    assert two.mandatory == {"control-plane-replacement", "etcd-quorum"}
