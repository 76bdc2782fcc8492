"""The AWS plugin of the tests has the properties of the Python package, as far as this project uses them."""

import json
import os
import re
from pathlib import Path

from tests.e2e.aws.account import Account
from tests.e2e.aws.conformance import differences
from tests.e2e.support.process import ask
from tools.common.paths import this_clone
from tools.from_source import catalogue, terraform_aws
from tools.operate.envsh import environment

KNOWN = Path(__file__).with_name("known_differences.txt")


def test_fixture_has_the_properties_of_the_package(account: Account) -> None:
    """Names and shapes of all properties are equal, except known ones that are newer than the Terraform provider."""
    assert account
    found = differences(_schema())
    known = KNOWN.read_text().splitlines()
    assert [line for line in found if line not in known] == []
    assert [line for line in known if line not in found] == [], "known differences that are gone"


def test_known_differences_touch_nothing_that_is_used() -> None:
    """No file of the program sets a property that the plugin of the tests lacks."""
    lacking = re.findall(r"^\S+ in\S*: (\w+) is only in the package$", KNOWN.read_text(), re.MULTILINE)
    assert lacking
    folder = this_clone().root / "components" / "machines" / "aws"
    text = "\n".join(path.read_text() for path in folder.glob("*.py"))
    # The program uses both of other resources: the NAT gateway lacks vpc_id, and the instance lacks force_destroy.
    used = {key for key in lacking if re.search(rf"\b{_snake(key)}=", text)}
    assert used <= {"vpcId", "forceDestroy"}


def _schema() -> dict[str, object]:
    clone, plugin = this_clone(), catalogue.AWS_PLUGIN
    binary = clone.pulumi_home / "plugins" / f"resource-aws-v{plugin.version}" / plugin.name
    own = {terraform_aws.VARIABLE: str(terraform_aws.find())}
    env = {**environment(clone, "none", os.environ), **own}
    answer = ask(["pulumi", "package", "get-schema", str(binary)], cwd=Path("/"), env=env, timeout=120)
    schema: dict[str, object] = json.loads(answer.ok())
    return schema


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)
