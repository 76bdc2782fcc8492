"""The state before a plan. The engine sends only planned resources to a policy pack, not the existing resources."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from policies.item import Item, exported

FILE = "HARDWAY_STATE"
"""The variable with the path of a `pulumi stack export`, or of a state of the backend that is a folder. If the variable
is not set, then the pack exports the state itself."""
_SECONDS = 60
_exports: dict[str, str] = {}
"""Exports by the name of the stack: several rules compare the same plan with the same state."""


class NoStateError(RuntimeError):
    """The state cannot be read. The text says why."""


def is_plan(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the engine runs a preview. During `up` the state changes, and `pulumi policy analyze` has no plan."""
    return environment.get("PULUMI_DRY_RUN") == "true"


def before(environment: Mapping[str, str] = os.environ) -> list[Item]:
    """The existing resources of the stack. Secrets stay encrypted, so they are UNKNOWN. Raises NoStateError."""
    path = environment.get(FILE)
    try:
        text = Path(path).read_text() if path else _export(environment)
        content = json.loads(text)
        deployment = content["checkpoint"].get("latest") if "checkpoint" in content else content["deployment"]
        return exported((deployment or {}).get("resources") or [])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.SubprocessError) as error:
        what = f"{FILE}={path}" if path else "`pulumi stack export`"
        raise NoStateError(f"{what}: {error}") from None


def _export(environment: Mapping[str, str]) -> str:
    names = [environment.get(f"PULUMI_{part}") for part in ("ORGANIZATION", "PROJECT", "STACK")]
    if not all(names):
        raise ValueError("PULUMI_STACK and PULUMI_PROJECT are not set")
    name = "/".join(map(str, names))
    if name in _exports:
        return _exports[name]
    answer = subprocess.run(
        ["pulumi", "stack", "export", "--non-interactive", "--stack", name],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if answer.returncode != 0:
        raise ValueError(answer.stderr.strip() or f"exit code {answer.returncode}")
    _exports[name] = answer.stdout
    return answer.stdout
