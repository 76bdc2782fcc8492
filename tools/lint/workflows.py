"""Checks the workflows: structure with GitHub's JSON schema, secrets by rules, expressions and more with actionlint.

The schema is in a Python package. actionlint is a Go program without an official Python package: if actionlint is on
PATH, then it runs; else Go builds and runs it. Without Go, expressions are not checked.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tools.common.progress import say
from tools.lint import weaknesses

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


def actionlint() -> list[str]:
    """The command that runs actionlint. Empty if neither actionlint nor Go is on PATH."""
    if shutil.which("actionlint"):
        return ["actionlint"]
    return ["go", "run", ACTIONLINT] if shutil.which("go") else []


def check(root: Path, files: Sequence[Path] = ()) -> int:
    """Check workflows, by default all workflows and actions of a clone. Return 0 if nothing is wrong."""
    workflows = list(files) or sorted((root / ".github" / "workflows").glob("*.yml"))
    actions = [] if files else sorted((root / ".github" / "actions").glob("*/action.yml"))
    failed = _schema("github-workflows", workflows) or (_schema("github-actions", actions) if actions else 0)
    if not failed:  # what has another shape cannot be read
        failed = _weaknesses(workflows, actions)
    command = actionlint()
    if not command:
        say("neither actionlint nor Go is on PATH: expressions in workflows are not checked")
        return failed
    # actionlint runs shellcheck and pyflakes if they are installed. The result must not depend on that.
    command += ["-shellcheck=", "-pyflakes=", *map(str, workflows)]
    # The user's options for Go builds may not work with a program that is given by its version.
    environment = os.environ | {"GOFLAGS": "", "GOWORK": "off"}
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode or failed


def _weaknesses(files: Sequence[Path], actions: Sequence[Path]) -> int:
    found = weaknesses.of_workflows({file.stem: yaml.safe_load(file.read_text()) for file in files})
    for action in actions:
        steps = yaml.safe_load(action.read_text())["runs"].get("steps")
        found += [f"{action.parent.name}: {what}" for what in weaknesses.of_steps(steps)]
    for sentence in found:
        say(f"workflow {sentence}")
    return int(bool(found))


def _schema(name: str, files: Sequence[Path]) -> int:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{name}", *map(str, files)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        say(f"{found.stdout}{found.stderr}".strip())
    return found.returncode
