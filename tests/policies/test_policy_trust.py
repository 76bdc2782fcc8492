"""The rule about programs and people outside of the cluster that API servers believe."""

from pathlib import Path
from typing import Any

import policy_engine
import pytest
from authorities import make
from clusters import cluster
from policy_requests import UNKNOWN, asked, made

from components.artifacts.choice import choose_artifacts
from components.node.release import outline

TOKEN = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e"
SERVICE = {"url": "https://hooks.example.com", "certificateAuthority": make("CN=Web CA").chain}


def told(node: str = "cp-1", settings: Any = (), **access: Any) -> list[str]:
    """What the rule says about the release of a node."""
    given = cluster("stacked", {f"access.{key}": value for key, value in access.items()}, secret=("access",))
    part = given.part(node)
    shown = outline(part, choose_artifacts(given.page, given.lock, part.artifacts))
    return asked(made("hardway:node:NodeRelease", node, shown), outside_trust={"keys": [*settings]}).get(
        "outside-trust", []
    )


def test_a_page_with_certificates_and_issuers_is_not_told() -> None:
    assert told() == []


def test_each_way_is_told_by_its_key() -> None:
    proxy = {"names": ["login"], "prefix": "sso:"}
    every = {
        "proxy": proxy,
        "tokens": [{"name": "ci", "token": TOKEN}],
        "tokenWebhook": {**SERVICE, "prefix": "corp:"},
        "authorizationWebhook": SERVICE,
    }
    assert sorted(text.split(": ")[1] for text in told(**every)) == sorted(f"access.{key}" for key in every)
    assert told(proxy=proxy)[0].startswith("cp-1: access.proxy: whoever has the key of hardway:proxy:login can be")
    assert told(settings=["access.proxy"], proxy=proxy) == []
    assert told("worker-1", **every) == []
    assert not [text for text in told(**every) if TOKEN in text]


def test_a_release_that_is_not_known_hides_nothing_else() -> None:
    assert asked(made("hardway:node:NodeRelease", "cp-1", {"flags": UNKNOWN})).get("outside-trust", []) == []


PROGRAM = """
import pulumi

shown = {"digest": "x", "flags": {"kube-apiserver.service": {"token-auth-file": "/opt/kubernetes/x.csv"}}}
pulumi.ComponentResource("hardway:node:NodeRelease", "cp-1", shown)
"""


@pytest.mark.skipif(not policy_engine.ENGINE.exists(), reason="no engine in this clone yet: `make tools`")
def test_the_engine_shows_the_flags_of_a_release_to_the_rule(tmp_path: Path) -> None:
    """A release is a component, not a resource of a provider."""
    stack = policy_engine.make("cluster", tmp_path / "stack")
    (stack.folder / "__main__.py").write_text(PROGRAM)
    found = stack.preview()
    assert found.code == 0, found.output
    (message,) = found.policies["outside-trust", "advisory"]
    assert message.startswith("cp-1: access.tokens: ")
