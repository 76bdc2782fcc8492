"""The state before a plan. The engine shows a policy what is planned, never what there is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from policies.item import Item, exported

FILE = "HARDWAY_STATE"
"""Variable with the path of a `pulumi stack export`, for when the pack cannot ask for it itself."""
_SECONDS = 60


class NoStateError(RuntimeError):
    """The state cannot be read; the text says why."""


def is_plan(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the engine runs a preview: during `up` the state changes under way, and `analyze` has no plan."""
    return environment.get("PULUMI_DRY_RUN") == "true"


def before(environment: Mapping[str, str] = os.environ) -> list[Item]:
    """The resources of the stack as they are; secrets stay encrypted, so they are UNKNOWN. Raises NoStateError."""
    path = environment.get(FILE)
    try:
        text = Path(path).read_text() if path else _export(environment)
        deployment = json.loads(text)["deployment"]
        return exported(deployment.get("resources") or [])
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        what = f"{FILE}={path}" if path else "`pulumi stack export`"
        raise NoStateError(f"{what}: {error}") from None


def _export(environment: Mapping[str, str]) -> str:
    names = [environment.get(f"PULUMI_{part}") for part in ("ORGANIZATION", "PROJECT", "STACK")]
    if not all(names):
        raise ValueError("PULUMI_STACK and PULUMI_PROJECT are not set")
    answer = subprocess.run(
        ["pulumi", "stack", "export", "--non-interactive", "--stack", "/".join(map(str, names))],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if answer.returncode != 0:
        raise ValueError(answer.stderr.strip() or f"exit code {answer.returncode}")
    return answer.stdout
