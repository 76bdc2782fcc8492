"""How a bucket with snapshots outlives its stack, with the real engine: the way of docs/backup.md.

Commands of this host take the place of the bucket, of its settings, and of what needs them. Dependencies and options
are as in components/machines/aws.
"""

import pytest

from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
PROGRAM = """
import pulumi
from pulumi import ResourceOptions
from pulumi_command.local import Command

def make(name, delete="true", **options):
    return Command(name, create="true", delete=f"{delete} && echo {name} >>removed", opts=ResourceOptions(**options))

network = make("network")
machine = make("machine", depends_on=[network])
bucket = make("bucket", delete="! echo BucketNotEmpty")
setting = make("setting", depends_on=[bucket], deleted_with=bucket)
make("stage", depends_on=[machine, setting], deleted_with=machine)
pulumi.Stash("fixed-values", input={})
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
"""


def urns(stack: Stack) -> dict[str, str]:
    """The URN of each resource in the state, by name."""
    return {one["urn"].rpartition("::")[2]: one["urn"] for one in stack.state()["resources"]}


def drop(stack: Stack, name: str) -> tuple[int, str]:
    """Take a resource out of the state. The exit code of Pulumi, and what it says."""
    answer = stack._ask("state", "delete", urns(stack)[name], "--stack", "dev", "--yes")
    return answer.returncode, answer.stderr


def test_a_bucket_with_snapshots_is_dropped_from_the_state_after_the_first_removal(stack: Stack) -> None:
    plugins = this_clone().pulumi_home / "plugins"
    if not plugins.is_dir():
        pytest.skip("no plugins in this clone yet: run `make tools`")
    stack.clone.pulumi_home.mkdir()
    (stack.clone.pulumi_home / "plugins").symlink_to(plugins)
    (stack.clone.root / "__main__.py").write_text(PROGRAM)
    assert stack.up() == 0
    # Not before: releases of members need the settings of the bucket.
    for name in ("bucket", "setting"):
        code, said = drop(stack, name)
        assert code != 0
        assert '"stage"' in said

    assert stack.destroy() != 0
    assert {"bucket"} == urns(stack).keys() & {"bucket", "setting", "machine", "stage"}
    assert drop(stack, "bucket")[0] == 0
    assert stack.destroy() == 0
    assert not list(stack.clone.state.glob(".pulumi/stacks/scratch/dev.json"))
    # The bucket is as it was, with its settings.
    assert set((stack.clone.root / "removed").read_text().split()) == {"machine", "network"}
