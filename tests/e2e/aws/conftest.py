"""One stack for the suite. Without the test fixture's parts on this host its tests say what is missing, and skip.

A second one has a whole cluster on machines that stand in for its instances. Most of the time of both is waiting, so
`make e2e SUITE=aws` tests them in two processes at the same time.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.e2e.aws.account import IMAGE, Account, simulated
from tests.e2e.aws.cluster import cluster_of, stack_of
from tests.e2e.aws.stack import STAND_INS, AwsStack, example_page
from tests.e2e.aws.stand_ins import StandIns, standing_in
from tests.e2e.local.conftest import namespace, web
from tests.e2e.support import diagnostics
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tools import catalogue, pulumi_home, terraform_aws
from tools.paths import this_clone

NAME, WHOLE_NAME = "e2e-aws", "e2e-aws-cluster"

_OF_CLUSTER = {"test_5_cluster", "test_6_workloads", "test_7_access", "test_8_security", "test_9_availability"}
"""Modules with tests of the whole cluster; others have tests of the account."""

__all__ = ["account", "cluster", "empty", "namespace", "stack", "stand_ins", "web"]


class _ByStack(LoadScopeScheduling):
    """Tests of a stack stay in one process, where its fixtures are."""

    def _split_scope(self, nodeid: str) -> str:
        return "cluster" if Path(nodeid.partition("::")[0]).stem in _OF_CLUSTER else "account"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Who gets which tests when there are several processes."""
    return _ByStack(config, log)


@pytest.fixture(scope="session")
def terraform() -> Path:
    """The Terraform provider that the fixture runs."""
    clone = this_clone()
    plugin = clone.pulumi_home / "plugins" / f"resource-aws-v{catalogue.AWS_PLUGIN.version}"
    if not pulumi_home.is_ours(clone):
        pytest.skip("an official Pulumi is on PATH; the fixture that leads to a simulated AWS is made for our own")
    found = terraform_aws.find()
    if found is None:
        pytest.skip(terraform_aws.missing())
    if not plugin.is_dir():
        pytest.skip("the fixture for the AWS plugin is not built: `python3 -m tools build --aws`")
    return found


@pytest.fixture(scope="session")
def account(terraform: Path) -> Iterator[Account]:
    """An account of AWS with nothing in it but what every new one has."""
    assert terraform
    with new_account(NAME) as found:
        yield found


@pytest.fixture(scope="session")
def empty(account: Account) -> dict[str, list[str]]:
    """What is in the account before anything is made."""
    return account.inventory()


@pytest.fixture(scope="session")
def stack(account: Account, terraform: Path, empty: dict[str, list[str]], say: Say) -> AwsStack:
    """The page of the example stack, up."""
    assert empty
    page = example_page()
    # The example is protected as a cluster that somebody needs should be; this one has to go again.
    page["machines"] |= {"protected": False, "tags": {"team": "one"}}
    found = AwsStack(NAME, account, page, terraform, say)
    found.init()
    found.ok("up")
    return found


@pytest.fixture(scope="session")
def stand_ins(terraform: Path) -> Iterator[StandIns]:
    """Machines for the instances of an account of their own."""
    assert terraform
    with new_account(WHOLE_NAME) as own, standing_in(this_clone(), WHOLE_NAME, own) as machines:
        yield machines


@pytest.fixture(scope="session")
def cluster(terraform: Path, stand_ins: StandIns, say: Say) -> Cluster:
    """The cluster on stand-ins, up. What is left of it goes with its machines."""
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
    """A simulated account of its own, with an AMI in it, until the end of the block."""
    clone = this_clone()
    with simulated(clone.cache / "e2e" / f"{name}-moto.log", clone.root) as found:
        found.choose_image(0)
        yield found
