"""`destroy`: the account is as it was before."""

from tests.e2e.aws.account import Account
from tests.e2e.aws.stack import AwsStack


def test_down_leaves_the_account_empty(stack: AwsStack, account: Account, empty: dict[str, list[str]]) -> None:
    """No resource of the stack is left, and no other resource was removed."""
    assert account.inventory() != empty
    stack.ok("destroy")
    assert account.inventory() == empty
