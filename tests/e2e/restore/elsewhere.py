"""Another operator: a clone in another folder, and the way of a stack there, with the commands of docs/backup.md."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from tests.e2e.support.process import ask
from tests.e2e.support.stack import Stack
from tools.common.paths import Clone


def clone_at(folder: Path, of: Clone) -> Clone:
    """A new clone with the files of another one as they are, and without anything that git ignores."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = ask(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=of.root).ok()
    for name in listed.splitlines():
        if (of.root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(of.root / name, folder / name)
    return Clone(folder)


def moved(stack: Stack, to: Clone) -> Stack:
    """The stack in another clone. The old clone has no state of it any more, as docs/backup.md asks."""
    there, name = replace(stack, clone=to), stack.name
    export = stack.folder / "exported.json"
    _pulumi(stack, "stack", "export", "--stack", name, "--file", str(export))
    folder = to.state / name
    folder.mkdir(parents=True, exist_ok=True)
    to.state.chmod(0o700)
    shutil.copy2(stack.clone.state / "passphrase", to.state / "passphrase")
    shutil.copy2(stack.clone.state / name / "lab.json", folder / "lab.json")
    shutil.copy2(stack.clone.page(name), to.page(name))
    there.temporary.mkdir(parents=True, exist_ok=True)
    tools = ["make", "--no-print-directory", "tools", f"STACK={name}"]
    ask(tools, cwd=to.root, env=there.environment(), timeout=600).ok()
    if not list(to.state.glob(f".pulumi/stacks/*/{name}.json")):
        shutil.copy2(to.root / "Pulumi.yaml", folder / "Pulumi.yaml")
        _pulumi(there, "-C", str(folder), "stack", "init", "--stack", name, "--no-select")
    _pulumi(there, "stack", "import", "--stack", name, "--file", str(export))
    export.unlink()
    for path in stack.clone.state.glob(f".pulumi/stacks/*/{name}.json*"):
        path.unlink()
    return there


def _pulumi(stack: Stack, *arguments: str) -> None:
    ask(["pulumi", *arguments], cwd=stack.clone.root, env=stack.environment(), timeout=120).ok()
