"""The advice about the state of a large cluster: who gets the advice, and who does not need it."""

import pytest

from tools.operate.state_size import MANY_NODES, advice

FOLDER, BUCKET, SERVICE = "file:///srv/state", "s3://states?region=eu-central-1", "https://api.pulumi.com"
ONCE = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "1"}


@pytest.mark.parametrize(
    ("nodes", "backend", "more", "said"),
    [
        (MANY_NODES, FOLDER, {}, False),
        (MANY_NODES + 1, FOLDER, {}, True),
        (MANY_NODES + 1, BUCKET, {}, True),
        (MANY_NODES + 1, SERVICE, {}, False),
        (MANY_NODES + 1, FOLDER, ONCE, False),
        (MANY_NODES + 1, FOLDER, {"PULUMI_SKIP_CHECKPOINTS": "true"}, True),
        (MANY_NODES + 1, FOLDER, ONCE | {"PULUMI_SKIP_CHECKPOINTS": "false"}, True),
    ],
)
def test_only_who_waits_for_the_state_is_told(nodes: int, backend: str, more: dict[str, str], said: bool) -> None:
    found = advice("prod", nodes, {"PULUMI_BACKEND_URL": backend, **more})
    assert bool(found) is said
    assert found is None or found.startswith(f"stack prod is new and has {nodes} nodes: ")
