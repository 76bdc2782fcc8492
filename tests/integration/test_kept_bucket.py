"""How a bucket with snapshots outlives its stack, with the real engine: the way of docs/backup.md.

Commands of this host take the place of the bucket, of its settings, and of what needs them. Dependencies and options
are as in components/machines/aws.
"""

import pytest

from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
PROGRAM = """
import os
import pulumi
from pulumi import ResourceOptions
from pulumi_command.local import Command

def make(name, delete="true", **options):
    return Command(name, create="true", delete=f"{delete} && echo {name} >>removed", opts=ResourceOptions(**options))

network = make("network")
machine = make("machine", depends_on=[network])
needed = [machine]
if not os.environ.get("GIVEN"):
    bucket = make("bucket", delete="! echo BucketNotEmpty")
    needed.append(make("setting", depends_on=[bucket], deleted_with=bucket))
make("stage", depends_on=needed, deleted_with=machine)
pulumi.Stash("fixed-values", input={})
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
"""


def urns(stack: Stack) -> dict[str, str]:
    """The URN of each resource in the state, by name."""
    return {one["urn"].rpartition("::")[2]: one["urn"] for one in stack.state()["resources"]}


def drop(stack: Stack, name: str) -> tuple[int, str]:
    """Take a resource out of the state. The exit code of Pulumi, and what it says."""
    answer = stack._pulumi.ask("state", "delete", urns(stack)[name], "--stack", "dev", "--yes")
    return answer.returncode, answer.stderr


@pytest.fixture
def made(stack: Stack) -> Stack:
    """A stack with a bucket."""
    plugins = this_clone().pulumi_home / "plugins"
    if not plugins.is_dir():
        pytest.skip("no plugins in this clone yet: run `make tools`")
    stack.clone.pulumi_home.mkdir()
    (stack.clone.pulumi_home / "plugins").symlink_to(plugins)
    (stack.clone.root / "__main__.py").write_text(PROGRAM)
    assert stack.up() == 0
    return stack


def test_a_bucket_with_snapshots_is_dropped_from_the_state_after_the_first_removal(made: Stack) -> None:
    # Not before: releases of members need the settings of the bucket.
    for name in ("bucket", "setting"):
        code, said = drop(made, name)
        assert code != 0
        assert '"stage"' in said

    assert made.destroy() != 0
    assert {"bucket"} == urns(made).keys() & {"bucket", "setting", "machine", "stage"}
    assert drop(made, "bucket")[0] == 0
    assert made.destroy() == 0
    assert not list(made.clone.state.glob(".pulumi/stacks/scratch/dev.json"))
    # The bucket is as it was, with its settings.
    assert set((made.clone.root / "removed").read_text().split()) == {"machine", "network"}


def test_a_bucket_becomes_one_that_only_the_page_names(made: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `create` on the page, members do not need the resource, so the state may forget it."""
    monkeypatch.setenv("GIVEN", "1")
    assert made.up() != 0
    assert urns(made).keys() & {"bucket", "setting", "stage"} == {"bucket", "stage"}
    assert drop(made, "bucket")[0] == 0
    assert made.up() == 0
    assert not (made.clone.root / "removed").exists()
