"""A stack in the simulated account: the real engine with the AWS plugin of the tests."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.aws.account import IMAGE, Account
from tests.e2e.support.process import Run, ask, run_long
from tests.e2e.support.progress import Say
from tools.common.paths import Clone, this_clone
from tools.common.store import remove_tree
from tools.from_source.terraform_aws import VARIABLE
from tools.operate.envsh import ORIGIN, environment

MACHINES = Path("tests/e2e/aws/program")
"""The program with machines only."""
WHOLE = Path()
"""The program of the project."""
STAND_INS = Path("tests/e2e/aws/whole")
"""The program of the project, for machines that are containers."""


def example_page() -> dict[str, Any]:
    """The page `Pulumi.aws.yaml`, for the simulated account."""
    values = yaml.safe_load(this_clone().page("aws").read_text())["config"]
    page = {key.removeprefix("hardway:"): value for key, value in values.items()}
    page["machines"] |= {"image": IMAGE}
    # The lock of this clone's mirror has all digests. The lock of upstream may lack some.
    page["artifacts"] = {"source": "mirror", "mirror": "https://mirror.example.com"}
    return page


@dataclass
class AwsStack:
    """A stack with its own state. `page` has the keys of `components.config` and may be changed between two runs."""

    name: str
    account: Account
    page: dict[str, Any]
    terraform: Path
    say: Say
    clone: Clone = field(default_factory=this_clone)

    @property
    def folder(self) -> Path:
        """State, page and logs."""
        return self.clone.cache / "e2e" / self.name

    def environment(self) -> dict[str, str]:
        """The environment of Pulumi."""
        user = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
        own = {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            VARIABLE: str(self.terraform),
            # Otherwise the provider logs everything for Terraform: megabytes in a minute.
            **dict.fromkeys(("TF_LOG_SDK", "TF_LOG_PROVIDER"), "ERROR"),
            **self.account.environment,
        }
        # Added last, because values of this clone would count as values of the stack that `make e2e` has named.
        around = environment(self.clone, self.name, user)
        around.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        return around | own

    def of_nobody(self) -> dict[str, str]:
        """The same for commands of `tools`, which replace values that come from another clone."""
        return {name: value for name, value in self.environment().items() if name != ORIGIN}

    def init(self) -> None:
        """Begin with an empty state."""
        remove_tree(self.folder)
        (self.folder / "state").mkdir(parents=True)
        # Pulumi must not write a page beside Pulumi.yaml.
        (self.folder / "Pulumi.yaml").write_text("name: hardway\nruntime: python\n")
        command = ["pulumi", "-C", str(self.folder), "stack", "init", self.name, "--no-select", "--non-interactive"]
        ask(command, env=self.environment()).ok()

    def run(
        self, action: str, *arguments: str, program: Path = MACHINES, extra: Mapping[str, str] | None = None
    ) -> Run:
        """Run `up`, `preview`, `destroy` or `refresh`."""
        return run_long(
            self._command(action, *arguments, program=program),
            cwd=self.clone.root,
            env={name: value for name, value in {**self.environment(), **(extra or {})}.items() if value},
            log=self.folder / f"{action}.log",
            say=self.say,
            limit=600,
        )

    def _command(self, action: str, *arguments: str, program: Path) -> list[str]:
        page = self.folder / "page.yaml"
        page.write_text(yaml.safe_dump({"config": {f"hardway:{key}": value for key, value in self.page.items()}}))
        sure = () if action == "preview" else ("--yes", "--skip-preview")
        options = ["--config-file", str(page), "--non-interactive", "--suppress-outputs", *sure, *arguments]
        return ["pulumi", "-C", str(self.clone.root / program), action, *options]

    def ok(self, action: str, *arguments: str, program: Path = MACHINES) -> dict[str, int]:
        """Run an action that has to succeed. Return the number of resources by operation: created, updated, ..."""
        run = self.run(action, *arguments, program=program)
        assert run.code == 0, run.tail(60)
        self.say(f"  pulumi {action}: {run.seconds:.1f} s")
        summary = run.output.rpartition("Resources:")[2]
        # The same line has the sum of all changes and the number of unchanged resources.
        found = re.findall(r"(\d+) ((?:to )?[a-z]+)", summary.partition("Duration:")[0])
        return {what.removeprefix("to "): int(count) for count, what in found if what != "changes"}

    def output(self, name: str) -> Any:
        """The value of a stack output."""
        command = ["pulumi", "-C", str(self.clone.root / MACHINES), "stack", "output", name, "--json", "--show-secrets"]
        return json.loads(ask(command, env=self.environment()).ok())

    def urn(self, kind: str, name: str) -> str:
        """The URN of a resource."""
        command = ["pulumi", "-C", str(self.clone.root / MACHINES), "stack", "export"]
        exported = json.loads(ask(command, env=self.environment()).ok())
        urns = [str(resource["urn"]) for resource in exported["deployment"]["resources"]]
        (urn,) = [urn for urn in urns if urn.endswith(f"{kind}::{name}")]
        return urn
