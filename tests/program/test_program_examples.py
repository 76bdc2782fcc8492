"""The program previews every page of examples/, with the committed lock where nodes fetch from upstream."""

import json
from pathlib import Path

import pytest
import yaml
from clusters import lock_data
from conftest import Values, changed
from fake_engine import plain
from policy_requests import asked, made
from pulumi_policy import EnforcementLevel
from recording import PLACE, REMOTE, ROOT, Recording, run

from components.config import Page, load
from components.config.aws import AwsSection
from policies.pack import chosen

AWS_LIMITS = ROOT / "policies" / "config" / "aws.json"
PAGES = sorted((ROOT / "examples").glob("*.yaml"))


def subnets_of(page: Page) -> Values:
    """An account that has the subnets of the page, as the plugin aws describes them."""
    machines = page.machines
    if not isinstance(machines, AwsSection) or machines.network.vpc is None:
        return {}
    vpc = machines.network.vpc
    return {
        subnet.id: {
            "vpcId": vpc.id,
            "availabilityZone": f"{machines.region}{subnet.zone}",
            "cidrBlock": subnet.cidr,
        }
        for subnet in vpc.subnets
    }


def refusals(preview: Recording, limits: Values) -> list[str]:
    """What mandatory resource rules of the policies say about a plan, with these settings of rules."""
    named = {name.replace("-", "_"): values for name, values in limits.items()}
    advice = {rule.about.name for rule in chosen({}) if rule.about.level is EnforcementLevel.ADVISORY}
    requests = [made(r.type, r.name, r.inputs, protect=r.protect) for r in preview.resources if r.custom]
    found = [asked(request, **named) for request in requests]
    return [text for messages in found for rule, texts in messages.items() if rule not in advice for text in texts]


@pytest.mark.parametrize("stem", ["dev", "onprem", "aws"])
def test_the_projects_own_pages_are_allowed(stem: str) -> None:
    """`make up` of a page uses the settings of the file with the name of the stack."""
    own_page = yaml.safe_load((ROOT / f"Pulumi.{stem}.yaml").read_text())["config"]
    values = {k.removeprefix("hardway:"): v for k, v in own_page.items()}
    change = {"dev": PLACE, "onprem": {"machines.privateKeyFile": "./id"}, "aws": {}}[stem]
    # Not a preview: also values that only `up` knows are judged, such as user data and files of releases.
    preview = run(changed(values, change), lock=lock_data(load(values)))
    assert preview.error is None, preview.error
    own = ROOT / "policies" / "config" / f"{stem}.json"
    limits = json.loads(own.read_text()) if own.exists() else {}
    settings = {name: values for name, values in limits.items() if isinstance(values, dict)}
    for own_settings in settings.values():
        own_settings.pop("enforcementLevel", None)
    assert refusals(preview, settings) == []
    # Without the file, the load balancer and the bastion are not allowed.
    assert bool(refusals(preview, {})) == (stem == "aws")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_an_example_is_previewed_without_an_error(path: Path) -> None:
    values = {k.removeprefix("hardway:"): v for k, v in yaml.safe_load(path.read_text())["config"].items()}
    page = load(values)
    preview = run(values, preview=True, extra={"FAKE_SUBNETS": json.dumps(subnets_of(page))})
    assert preview.error is None, preview.error
    # aws.json has the public addresses that these examples are made for.
    limits = json.loads(AWS_LIMITS.read_text()) if path.stem in ("aws-small", "aws-production") else {}
    assert refusals(preview, limits) == []
    assert set(plain(preview.outputs)["nodes"]) == {node.name for node in page.nodes}
    staged = {resource.name for resource in preview.of(REMOTE) if resource.name.endswith("-stage")}
    assert staged == {f"{node.name}-stage" for node in page.nodes}


def test_there_are_examples() -> None:
    assert len(PAGES) >= 8
