"""The two stacks of the suite: machines only, and a whole cluster on simulated machines.

If the AWS plugin of the tests cannot run on this host, then the tests are skipped and say why. Both stacks wait most of
the time, so `make e2e SUITE=aws` tests them in two processes at the same time.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import NodeManager

from tests.e2e.aws.account import IMAGE, Account, simulated
from tests.e2e.aws.cluster import cluster_of, stack_of
from tests.e2e.aws.stack import STAND_INS, AwsStack, example_page
from tests.e2e.aws.stand_ins import StandIns, standing_in
from tests.e2e.local.conftest import namespace, web
from tests.e2e.support import diagnostics
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tools.common.paths import this_clone
from tools.from_source import catalogue, terraform_aws

NAME, WHOLE_NAME = "e2e-aws", "e2e-aws-cluster"

_OF_CLUSTER = {
    "test_5_cluster",
    "test_6_workloads",
    "test_7_access",
    "test_8_security",
    "test_9_availability",
    "test_9_gone",
}
"""Modules that test the whole cluster. The other modules test the account."""

_REMOVAL_SECONDS = 240
"""Seconds in which the machines of both stacks have to be removed. It takes less than a minute on an idle host."""

__all__ = ["account", "cluster", "empty", "namespace", "stack", "stand_ins", "web"]


class _ByStack(LoadScopeScheduling):
    """Keep the tests of a stack in one process, because they share fixtures."""

    def _split_scope(self, nodeid: str) -> str:
        return "cluster" if Path(nodeid.partition("::")[0]).stem in _OF_CLUSTER else "account"


def pytest_configure() -> None:
    """Give both processes the time that they need to remove their machines when the run is interrupted.

    xdist kills a process that has not ended ten seconds after the interruption.
    """
    NodeManager.EXIT_TIMEOUT = _REMOVAL_SECONDS


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """The distribution of tests if there are several processes."""
    return _ByStack(config, log)


@pytest.fixture(scope="session")
def terraform() -> Path:
    """The Terraform provider that the plugin of the tests runs."""
    clone = this_clone()
    plugin = clone.pulumi_home / "plugins" / f"resource-aws-v{catalogue.AWS_PLUGIN.version}"
    if not clone.has_own_engine:
        pytest.skip("an official Pulumi is on PATH; the fixture that leads to a simulated AWS is made for our own")
    found = terraform_aws.find()
    if found is None:
        pytest.skip(terraform_aws.missing())
    if not plugin.is_dir():
        pytest.skip("the fixture for the AWS plugin is not built: `python3 -m tools.prepare build --aws`")
    return found


@pytest.fixture(scope="session")
def account(terraform: Path) -> Iterator[Account]:
    """A new AWS account, with only the resources that every new account has."""
    assert terraform
    with new_account(NAME) as found:
        yield found


@pytest.fixture(scope="session")
def empty(account: Account) -> dict[str, list[str]]:
    """What is in the account before anything is made."""
    return account.inventory()


@pytest.fixture(scope="session")
def stack(account: Account, terraform: Path, empty: dict[str, list[str]], say: Say) -> AwsStack:
    """The stack of `Pulumi.aws.yaml`, up."""
    assert empty
    page = example_page()
    # The page protects its resources, and this stack has to be removed again.
    page["machines"] |= {"protected": False, "tags": {"team": "one"}}
    page["backup"] = {"to": {"create": {"protected": False}, "prefix": "etcd"}}
    found = AwsStack(NAME, account, page, terraform, say)
    found.init()
    found.ok("up")
    return found


@pytest.fixture(scope="session")
def stand_ins(terraform: Path) -> Iterator[StandIns]:
    """Simulated machines for the instances of a second account."""
    assert terraform
    with new_account(WHOLE_NAME) as own, standing_in(this_clone(), WHOLE_NAME, own) as machines:
        yield machines


@pytest.fixture(scope="session")
def cluster(terraform: Path, stand_ins: StandIns, say: Say) -> Cluster:
    """The cluster on simulated machines, up. Its machines are removed in any case."""
    page = stand_ins.page(IMAGE)
    aws = AwsStack(WHOLE_NAME, stand_ins.account, page, terraform, say)
    aws.init()
    stand_ins.begin(page)
    run = aws.run("up", program=STAND_INS)
    if run.code != 0:
        folder = diagnostics.collect(stack_of(aws), "up")
        said = stand_ins.log.read_text() if stand_ins.log.exists() else ""
        raise AssertionError(f"pulumi up ended with {run.code}; {folder}\n{run.tail(60)}\n{said}")
    say(f"the cluster is up after {run.seconds:.1f} s; {run.tail(1)}")
    return cluster_of(aws, run)


@contextlib.contextmanager
def new_account(name: str) -> Iterator[Account]:
    """A new simulated account with an AMI, until the end of the block."""
    clone = this_clone()
    with simulated(clone.cache / "e2e" / f"{name}-moto.log", clone.root) as found:
        found.choose_image(0)
        yield found
