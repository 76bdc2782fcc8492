"""Secrets on the page of a stack."""

import time

import yaml

from tests.e2e.support.process import ask
from tests.e2e.support.stack import Stack


def encrypted(stack: Stack, text: str) -> dict[str, str]:
    """A value of the page, encrypted as `pulumi config set --secret` does it. The stack has to be up."""
    page = stack.folder / f"secret-{time.monotonic_ns()}.yaml"
    # What is encrypted depends neither on the key nor on the page: the salt is in the state.
    page.write_text("config: {}\n")
    command = ["pulumi", "config", "set", "--secret", "--path", "hardway:scratch.value", "--stack", stack.name]
    try:
        ask(
            [*command, "--config-file", str(page)],
            env=stack.environment(),
            cwd=stack.clone.root,
            stdin=text,
            timeout=60,
        ).ok()
        secret: dict[str, str] = yaml.safe_load(page.read_text())["config"]["hardway:scratch"]["value"]
        return secret
    finally:
        page.unlink()
