"""Steps before `go build` for programs whose module lacks generated or non-Go files.

Each step works in a copy of the module's folder and does not change the source tree.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.progress import Progress, run_logged
from tools.from_source.catalogue import Program


@dataclass(frozen=True)
class Job:
    """One build. `source` is a copy of the module's folder. `output` becomes the folder in the store."""

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
    """The folder in Go's module cache of a module that `folder` pins. Downloads the module if it is missing."""
    # `go list -m` names no folder for a module that is not in the cache yet.
    command = ["go", "mod", "download", "-json", module]
    env = {**os.environ, "GOWORK": "off"}
    answer = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ToolError(f"go cannot download the module {module}: {answer.stdout.strip()}\n{answer.stderr.strip()}")
    return Path(json.loads(answer.stdout)["Dir"])


def _copy_writable(source: Path, target: Path) -> None:
    """Copy a folder of Go's module cache, which is read-only. The modes of its files are not wanted."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


def language_exec(job: Job) -> None:
    """Copy the script that runs Python programs from the Go module of the SDK to the folder of the language host."""
    name = "pulumi-language-python-exec"
    script = job.output / name
    shutil.copyfile(module_folder("github.com/pulumi/pulumi/sdk/v3", job.source) / "python" / "cmd" / name, script)
    script.chmod(0o755)


def tls_schema(job: Job) -> None:
    """Generate the schema that the plugin embeds, with the bridge."""
    generator = job.source / "generator"
    job.go_build("./tfgen", generator)
    embedded = job.source / "embed"
    embedded.mkdir()
    job.run([str(generator), "schema", "--skip-docs", "--skip-examples", "--out", str(embedded)])


def kubernetes_schema(job: Job) -> None:
    """Copy the data files of the plugin from its module, and set the version of the plugin."""
    module = module_folder("github.com/pulumi/pulumi-kubernetes/provider/v4", job.source)
    embedded = job.source / "embed"
    embedded.mkdir()
    for name in ("schema.json", "terraform-mapping.json"):
        data = json.loads((module / "cmd" / "pulumi-resource-kubernetes" / name).read_text())
        if name == "schema.json":
            data["version"] = job.program.version
        (embedded / name).write_text(json.dumps(data, separators=(",", ":"), ensure_ascii=False))


def kube_bench_benchmarks(job: Job) -> None:
    """Copy the benchmarks, which kube-bench reads as files, from its module to the folder of the program."""
    _copy_writable(module_folder("github.com/aquasecurity/kube-bench", job.source) / "cfg", job.output / "cfg")


def kwok_files(job: Job) -> None:
    """Copy how nodes and pods behave (stages), and the rights that kwok needs, from its module to the program's folder.

    kwok itself has no stages: it reads them as files, or from a cluster.
    """
    module = module_folder("sigs.k8s.io/kwok", job.source)
    for name in ("stage", "rbac"):
        _copy_writable(module / "kustomize" / name, job.output / name)


def kube_network_policies_queue(job: Job) -> None:
    """Let the program use the target NFQUEUE of xtables where the kernel has no `queue` of nftables: record 80.

    The module is downloaded and verified by go.sum, and a copy of it is built: with one file more, and with one
    expression changed in ten rules.
    """
    module = "sigs.k8s.io/kube-network-policies"
    copy = job.source / "upstream"
    _copy_writable(module_folder(module, job.source), copy)
    package = copy / "pkg" / "networkpolicy"
    controller = package / "controller.go"
    text = controller.read_text()
    # Eight rules for selected pods and two for all pods, in two hooks.
    use = "\t\t\t\tqueue,\n"
    if text.count(use) != 10:
        raise ToolError(f"{module}: controller.go is not the text for which the change of the queue was made")
    controller.write_text(text.replace(use, "\t\t\t\ttoQueue(queue),\n"))
    shutil.copyfile(job.source / "networkpolicy" / "queue.go", package / "queue.go")
    job.run(["go", "mod", "edit", f"-replace={module}=./{copy.name}"])


STEPS: dict[str, Callable[[Job], None]] = {
    "language_exec": language_exec,
    "tls_schema": tls_schema,
    "kubernetes_schema": kubernetes_schema,
    "kube_bench_benchmarks": kube_bench_benchmarks,
    "kwok_files": kwok_files,
    "kube_network_policies_queue": kube_network_policies_queue,
}
