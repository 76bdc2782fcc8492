"""Which changes `make renew` makes without a review."""

import pytest

from tools.report.read import Preview, Step
from tools.report.renewal import more_than_renewal

CLUSTER = "urn:pulumi:s::hardway::"
LEAF = f"{CLUSTER}hardway:pki:ClusterPki$tls:index/locallySignedCert:LocallySignedCert::deployer"
PROVIDER = f"{CLUSTER}pulumi:providers:kubernetes::cluster"
COMMAND = f"{CLUSTER}hardway:rollout:Rotation$command:remote:Command::"

RENEWED = Step("replace", LEAF, reasons=("readyForRenewal",))
API_ACCESS = Step("update", PROVIDER, changed=("kubeconfig",))


def settle(operation: str = "update", name: str = "settle", changed: tuple[str, ...] = ("stdin",)) -> Step:
    """The command that gets the certificate of the program on its standard input."""
    return Step(operation, f"{COMMAND}{name}", changed=changed)


def more(*steps: Step) -> tuple[str, ...]:
    """What a preview with these steps changes besides certificates that are due."""
    return more_than_renewal(Preview("s", steps, ended=True))


def test_the_certificate_of_the_program_is_renewed_unseen() -> None:
    """In a cluster that has had a rotation, the command `settle` has the certificate as its standard input."""
    assert more(RENEWED, API_ACCESS) == ()
    assert more(RENEWED, API_ACCESS, settle()) == ()


@pytest.mark.parametrize(
    "step",
    [
        settle(changed=("create", "stdin")),
        settle(changed=("create",)),
        settle(operation="replace"),
        settle(operation="create", changed=()),
        settle(name="membership"),
    ],
)
def test_a_step_of_a_rotation_is_reviewed(step: Step) -> None:
    assert more(RENEWED, API_ACCESS, step) == (f"{step.operation} command:remote:Command {step.name}",)


SERVED = LEAF.replace("::deployer", "::cp-1-etcd-server")
SIGNED = f"{CLUSTER}hardway:pki:ClusterPki$command:local:Command::"


def test_a_signing_service_is_asked_for_what_is_due_only() -> None:
    """The command belongs to the certificate of its name. Another change of the command is reviewed."""
    due = Step("replace", SERVED, reasons=("readyForRenewal",))
    signed = Step("update", f"{SIGNED}cp-1-etcd-server-signed", changed=("stdin",))
    assert more(due, signed) == ()
    assert more(signed) == ("update command:local:Command cp-1-etcd-server-signed",)
    assert more(Step("replace", SERVED, reasons=("caCertPem",)), signed) == (
        "replace LocallySignedCert cp-1-etcd-server",
    )
