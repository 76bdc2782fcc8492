"""The real engine with small programs, in a separate folder with a separate backend."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tools.common.paths import this_clone

CLONE = this_clone()
ENGINE = CLONE.bin / "pulumi"
PACK = CLONE.root / "policies"
PROGRAMS = Path(__file__).parent / "programs"
_FINDING = re.compile(r"^\s+- \[(?P<level>mandatory|advisory)\]\s+(?:\[severity: \w+\]\s+)?(?P<name>[a-z-]+)\s+\(")


@dataclass(frozen=True)
class Run:
    """The result of a run of Pulumi. `policies` has the messages of each rule by name and level."""

    code: int
    output: str
    policies: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def mandatory(self) -> set[str]:
        """Names of the rules that stopped the run."""
        return {name for name, level in self.policies if level == "mandatory"}


@dataclass(frozen=True)
class Stack:
    """A program and its stack `dev` in `folder`."""

    folder: Path

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Run:
        """Runs Pulumi to its end."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "HARDWAY_"))}
        ours = {
            "PATH": f"{ENGINE.parent}:{CLONE.venv / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(CLONE.root),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_STACK": "dev",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        answer = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=kept | ours | dict(env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(answer.returncode, answer.stdout + answer.stderr, _policies(answer.stdout))

    def preview(self, *arguments: str, config: str | Path = "dev", env: Mapping[str, str] | None = None) -> Run:
        """A preview with the policy pack. `config` is a file, or the name of a file in policies/config."""
        file = PACK / "config" / f"{config}.json" if isinstance(config, str) else config
        pack = ["--policy-pack", str(PACK), "--policy-pack-config", str(file)]
        return self.run("preview", *pack, *arguments, env=env)

    def up(self) -> None:
        """Makes the stack, without policies."""
        answer = self.run("up", "--yes", "--skip-preview")
        assert answer.code == 0, answer.output

    def configure(self, page: Mapping[str, Any]) -> None:
        """Writes the stack's page."""
        config = {f"hardway:{name}": value for name, value in page.items()}
        path = self.folder / "Pulumi.dev.yaml"
        salt = yaml.safe_load(path.read_text()).get("encryptionsalt") if path.exists() else None
        path.write_text(yaml.safe_dump({"config": config} | ({"encryptionsalt": salt} if salt else {})))


def make(program: str, folder: Path, page: Mapping[str, Any] | None = None) -> Stack:
    """A stack of one of the programs. It is not up yet."""
    shutil.copytree(PROGRAMS / program, folder, dirs_exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: policies\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (folder / ".venv").symlink_to(CLONE.venv.resolve())
    for name in ("home", "state"):
        (folder / name).mkdir()
    (folder / "home" / "plugins").symlink_to(CLONE.pulumi_home / "plugins")
    stack = Stack(folder)
    stack.configure(page or {})
    answer = stack.run("stack", "init", "dev")
    assert answer.code == 0, answer.output
    return stack


def _policies(output: str) -> dict[tuple[str, str], list[str]]:
    """The findings as Pulumi prints them: `preview --json` leaves them out."""
    found: dict[tuple[str, str], list[str]] = {}
    lines = output.splitlines()
    for index, line in enumerate(lines):
        match = _FINDING.match(line)
        if match:
            # The next line is the description of the rule, then comes the message.
            found.setdefault((match["name"], match["level"]), []).append(lines[index + 2].strip())
    return found
