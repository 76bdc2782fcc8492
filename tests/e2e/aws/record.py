"""Writes the event log of a first preview of `Pulumi.aws.yaml`, for tests/data/previews.

    eval "$(make -s env)" && python -m tests.e2e.aws.record FILE

It needs what the suite needs. The account is simulated, and the real engine runs the preview.
"""

import sys
from pathlib import Path

from tests.e2e.aws.account import simulated
from tests.e2e.aws.stack import WHOLE, AwsStack, example_page
from tools.common.paths import this_clone
from tools.from_source import terraform_aws


def main(target: Path) -> None:
    """Run the preview and write the event log."""
    clone, terraform = this_clone(), terraform_aws.find()
    if terraform is None:
        sys.exit(terraform_aws.missing())
    with simulated(clone.cache / "e2e" / "aws-record-moto.log", clone.root) as account:
        account.choose_image(0)
        stack = AwsStack("aws", account, example_page(), terraform, print)
        stack.init()
        run = stack.run("preview", "--event-log", str(target), program=WHOLE, extra={"PULUMI_DEBUG_COMMANDS": "true"})
    if run.code != 0:
        sys.exit(run.tail())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
