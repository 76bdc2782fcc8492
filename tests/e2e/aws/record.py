"""Writes the event log of a preview of `Pulumi.aws.yaml` before anything of it is there: for tests/data/previews.

    eval "$(make -s env)" && python -m tests.e2e.aws.record FILE

It needs what the suite needs; the account is a simulated one, the preview that of the real engine.
"""

import sys
from pathlib import Path

from tests.e2e.aws.account import simulated
from tests.e2e.aws.stack import WHOLE, AwsStack, example_page
from tools import terraform_aws
from tools.paths import this_clone


def main(target: Path) -> None:
    """Preview and write."""
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
