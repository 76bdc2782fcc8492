"""One stack for the suite. Without the test fixture's parts on this host its tests say what is missing, and skip.

A second one, with a whole cluster on machines that stand in for its instances, comes up while the first is tested:
most of the time of both is waiting.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.aws.account import IMAGE, Account, simulated
from tests.e2e.aws.cluster import cluster_of, stack_of
from tests.e2e.aws.stack import STAND_INS, AwsStack, example_page
from tests.e2e.aws.stand_ins import StandIns, standing_in
from tests.e2e.local.conftest import namespace, web
from tests.e2e.support import diagnostics, inventory
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import Background
from tests.e2e.support.progress import Say
from tools import catalogue, pulumi_home, terraform_aws
from tools.paths import this_clone

NAME, WHOLE_NAME = "e2e-aws", "e2e-aws-cluster"

__all__ = ["account", "cluster", "empty", "namespace", "stack", "stand_ins", "web"]


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
def account(terraform: Path, _beginning: object) -> Iterator[Account]:
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


@dataclass(frozen=True)
class _Beginning:
    """The whole program's `up`, under way."""

    machines: StandIns
    aws: AwsStack
    before: inventory.Inventory
    up: Background


@pytest.fixture(scope="session")
def _beginning(request: pytest.FixtureRequest, terraform: Path, say: Say) -> Iterator[_Beginning | None]:
    """Begun before the first test if any test of this session needs it."""
    if not any("cluster" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    clone = this_clone()
    before = inventory.take(clone)
    with new_account(WHOLE_NAME) as own, standing_in(clone, WHOLE_NAME, own) as machines:
        page = machines.page(IMAGE)
        aws = AwsStack(WHOLE_NAME, own, page, terraform, say)
        aws.init()
        machines.begin(page)
        with aws.in_background("up", program=STAND_INS) as up:
            yield _Beginning(machines, aws, before, up)


@pytest.fixture(scope="session")
def cluster(_beginning: _Beginning, say: Say) -> Cluster:
    """The cluster on stand-ins, up. What is left of it goes with its machines."""
    run = _beginning.up.result()
    if run.code != 0:
        log = _beginning.machines.log
        folder = diagnostics.collect(stack_of(_beginning.aws), "up")
        said = log.read_text() if log.exists() else ""
        raise AssertionError(f"pulumi up ended with {run.code}; {folder}\n{run.tail(60)}\n{said}")
    say(f"the cluster is up; {run.tail(1)}")
    return cluster_of(_beginning.aws, run, _beginning.before)


@pytest.fixture(scope="session")
def stand_ins(cluster: Cluster, _beginning: _Beginning) -> StandIns:
    """Its machines, and the account that they belong to."""
    assert cluster
    return _beginning.machines


@contextlib.contextmanager
def new_account(name: str) -> Iterator[Account]:
    """A simulated account of its own, with an AMI in it, until the end of the block."""
    clone = this_clone()
    with simulated(clone.cache / "e2e" / f"{name}-moto.log", clone.root) as found:
        found.choose_image(0)
        yield found
