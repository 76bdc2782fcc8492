"""What kubelets say about their own certificates: the metric, kubelets that do not answer, nodes that are asked."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tools.certificates import kubelets

# As Kubernetes 1.37.1 prints it (cmd/kubelet/app/server.go): the value is a number of Go.
METRICS = """\
# HELP kubelet_certificate_manager_client_expiration_renew_errors [ALPHA] Counter of certificate renewal errors.
# TYPE kubelet_certificate_manager_client_expiration_renew_errors counter
kubelet_certificate_manager_client_expiration_renew_errors 7
# HELP kubelet_certificate_manager_client_ttl_seconds [ALPHA] Gauge of the TTL (time-to-live) of the Kubelet's client \
certificate. The value is in seconds until certificate expiry (negative if already expired). If client certificate is \
invalid or unused, the value will be +INF.
# TYPE kubelet_certificate_manager_client_ttl_seconds gauge
kubelet_certificate_manager_client_ttl_seconds {value}
# TYPE kubelet_certificate_manager_server_ttl_seconds gauge
kubelet_certificate_manager_server_ttl_seconds 99
"""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3.1535721e+07", 31535721), ("864", 864), ("-3600", -3600), ("864 1795763789000", 864)],
)
def test_seconds_until_the_end(value: str, seconds: float) -> None:
    assert kubelets.seconds_left(METRICS.format(value=value)) == seconds


@pytest.mark.parametrize("value", ["+Inf", "NaN", "soon"])
def test_a_kubelet_without_a_valid_certificate_has_no_end(value: str) -> None:
    assert kubelets.seconds_left(METRICS.format(value=value)) is None


def test_a_version_without_the_metric_has_no_end() -> None:
    assert kubelets.seconds_left("kubelet_certificate_manager_server_ttl_seconds 99\n") is None
    assert kubelets.seconds_left("") is None


def test_members_of_etcd_alone_run_no_kubelet() -> None:
    roles = {"e": ["etcd"], "c": ["etcd", "control-plane"], "w": ["worker"], "m": ["etcd", "worker"]}
    assert kubelets.with_kubelet({name: {"address": "", "roles": found} for name, found in roles.items()}) == [*"cwm"]


@pytest.fixture
def kubectl(tmp_path: Path) -> list[str]:
    """A stand-in of kubectl: an hour is left on `good`, `mute` has no metric, no other kubelet can be reached."""
    program = tmp_path / "kubectl.py"
    program.write_text(
        "import sys\n"
        "answers = {'good': 'kubelet_certificate_manager_client_ttl_seconds 3600', 'mute': ''}\n"
        "known = {f'/api/v1/nodes/{name}/proxy/metrics': text for name, text in answers.items()}\n"
        "assert sys.argv[1:4] == ['--kubeconfig=k', 'get', '--raw'], sys.argv\n"
        "path = sys.argv[4]\n"
        "if path not in known: sys.exit('W: a warning\\nError from server (ServiceUnavailable): ' + path)\n"
        "print(known[path])\n"
    )
    return [sys.executable, str(program), "--kubeconfig=k"]


def test_a_kubelet_that_does_not_answer_keeps_no_other_from_answering(
    kubectl: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is on the real clock, also if another time is given to compare with."""
    monkeypatch.setenv("HARDWAY_NOW", "2040-01-01T00:00:00Z")
    before = datetime.now(UTC)
    dead, good, mute = kubelets.ask(["dead", "good", "mute"], kubectl)
    assert (dead.node, dead.ends, dead.answer) == ("dead", None, "does not answer")
    assert dead.why == "Error from server (ServiceUnavailable): /api/v1/nodes/dead/proxy/metrics"
    assert (mute.node, mute.ends, mute.answer) == ("mute", None, "answers")
    assert good.ends is not None
    assert before + timedelta(hours=1) <= good.ends <= datetime.now(UTC) + timedelta(hours=1)


def test_a_kubelet_that_takes_too_long_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubelets, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(kubelets, "_GRACE_SECONDS", 0.1)
    program = tmp_path / "slow.py"
    program.write_text("import time; time.sleep(30)")
    (found,) = kubelets.ask(["slow"], [sys.executable, str(program)])
    assert (found.ends, found.answer) == (None, "does not answer")
    assert found.why.startswith("no answer within 0.3")
