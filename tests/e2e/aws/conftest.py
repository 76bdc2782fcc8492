"""One stack for the suite. Without the test fixture's parts on this host its tests say what is missing, and skip."""

from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.aws.account import IMAGE, Account, simulated
from tests.e2e.aws.stack import NAME, AwsStack
from tests.e2e.support.progress import Say
from tools import catalogue, pulumi_home, terraform_aws
from tools.paths import this_clone


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """An account of AWS with nothing in it but what every new one has."""
    clone = this_clone()
    plugin = clone.pulumi_home / "plugins" / f"resource-aws-v{catalogue.AWS_PLUGIN.version}"
    if not pulumi_home.is_ours(clone):
        pytest.skip("an official Pulumi is on PATH; the fixture that leads to a simulated AWS is made for our own")
    if terraform_aws.find() is None:
        pytest.skip(terraform_aws.missing())
    if not plugin.is_dir():
        pytest.skip("the fixture for the AWS plugin is not built: `python3 -m tools build --aws`")
    with simulated(clone.cache / "e2e" / f"{NAME}-moto.log", clone.root) as found:
        found.choose_image(0)
        yield found


@pytest.fixture(scope="session")
def empty(account: Account) -> dict[str, list[str]]:
    """What is in the account before anything is made."""
    return account.inventory()


@pytest.fixture(scope="session")
def stack(account: Account, empty: dict[str, list[str]], say: Say) -> AwsStack:
    """The page of the example stack, up."""
    terraform = terraform_aws.find()
    assert terraform is not None and empty
    values = yaml.safe_load(this_clone().page("aws").read_text())["config"]
    page = {key.removeprefix("hardway:"): value for key, value in values.items()}
    # The example is protected as a cluster that somebody needs should be; this one has to go again.
    page["machines"] |= {"image": IMAGE, "protected": False, "tags": {"team": "one"}}
    # The lock of this clone's mirror has a digest for everything, upstream's has them only where somebody filled it.
    page["artifacts"] = {"mirror": "https://mirror.example.com"}
    found = AwsStack(account, page, terraform, say)
    found.init()
    found.ok("up")
    return found
