"""Steps before `go build` for programs whose module misses generated or non-Go files.

Each works in a copy of the module's folder; the source tree stays as it is.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.catalogue import Program
from tools.errors import ToolError
from tools.progress import Progress, run_logged


@dataclass(frozen=True)
class Job:
    """One build: `source` is the copy of the module's folder, `output` the folder that becomes the store's."""

    program: Program
    source: Path
    output: Path
    command: list[str]
    environment: dict[str, str]
    log: Path
    progress: Progress

    def go_build(self, package: str, target: Path) -> None:
        """Build one package of the module."""
        self.run([*self.command, "-o", str(target), package])

    def run(self, command: list[str]) -> None:
        """Run a command in the module's folder."""
        run_logged(command, self.log, self.progress, cwd=self.source, env=self.environment)


def module_folder(module: str, folder: Path) -> Path:
    """Find a module that `folder` pins in Go's module cache, getting it first if need be."""
    # `go list -m` names no folder for a module that is not in the cache yet.
    command = ["go", "mod", "download", "-json", module]
    env = {**os.environ, "GOWORK": "off"}
    answer = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ToolError(f"go cannot get the module {module}: {answer.stdout.strip()}\n{answer.stderr.strip()}")
    return Path(json.loads(answer.stdout)["Dir"])


def language_exec(job: Job) -> None:
    """Put the script that runs Python programs beside the language host; it comes with the SDK's Go module."""
    name = "pulumi-language-python-exec"
    script = job.output / name
    shutil.copyfile(module_folder("github.com/pulumi/pulumi/sdk/v3", job.source) / "python" / "cmd" / name, script)
    script.chmod(0o755)


def tls_schema(job: Job) -> None:
    """Let the bridge write the schema that the plugin embeds."""
    generator = job.source / "generator"
    job.go_build("./tfgen", generator)
    embedded = job.source / "embed"
    embedded.mkdir()
    job.run([str(generator), "schema", "--skip-docs", "--skip-examples", "--out", str(embedded)])


def kubernetes_schema(job: Job) -> None:
    """Copy the plugin's data files out of its module, with the version that the plugin will have."""
    module = module_folder("github.com/pulumi/pulumi-kubernetes/provider/v4", job.source)
    embedded = job.source / "embed"
    embedded.mkdir()
    for name in ("schema.json", "terraform-mapping.json"):
        data = json.loads((module / "cmd" / "pulumi-resource-kubernetes" / name).read_text())
        if name == "schema.json":
            data["version"] = job.program.version
        (embedded / name).write_text(json.dumps(data, separators=(",", ":"), ensure_ascii=False))


STEPS: dict[str, Callable[[Job], None]] = {
    "language_exec": language_exec,
    "tls_schema": tls_schema,
    "kubernetes_schema": kubernetes_schema,
}
