"""Runs the fake engine several times, each time in a separate process.

The imports of the SDKs and of the program's modules take longer than a run of the program. So one process imports
them, and forks for each run, which runs `__main__.py`. The process reads a line of JSON for each run, and answers with
the exit code of the run.
"""

import gc
import importlib
import json
import os
import pkgutil
import select
import subprocess
import sys
import traceback
from functools import cache
from pathlib import Path

import fake_engine

_PROJECT = Path(__file__).parents[2]
_SDKS = (
    *("pulumi_command.local", "pulumi_command.remote", "pulumi_tls", "pydantic"),
    *(
        f"pulumi_kubernetes.{part}"
        for part in ("admissionregistration.v1", "apps.v1", "core.v1", "meta.v1", "policy.v1", "rbac.v1")
    ),
    *(f"pulumi_aws.{part}" for part in ("ec2", "ebs", "iam", "lb", "s3", "ssm", "vpc")),
)
# A loose limit, so that a busy host does not fail a test.
_LIMIT_SECONDS = 300


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run the engine in `folder` with these arguments. Raises AssertionError with its output if it fails."""
    said = folder / "said"
    order = {"arguments": arguments, "folder": str(folder), "environment": environment, "said": str(said)}
    engine = _warm()
    assert engine.stdin and engine.stdout
    engine.stdin.write(json.dumps(order) + "\n")
    engine.stdin.flush()
    ready, _, _ = select.select([engine.stdout], [], [], _LIMIT_SECONDS)
    if not ready:
        # A late answer would count as the answer of the next run.
        engine.kill()
        _warm.cache_clear()
    answer = engine.stdout.readline().strip() if ready else f"no answer within {_LIMIT_SECONDS} s"
    assert answer == "0", f"{answer}\n{said.read_text() if said.exists() else ''}"


@cache
def _warm() -> subprocess.Popen[str]:
    # The process ends if its standard input is closed, which happens at the end of this process.
    command = [sys.executable, __file__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    for name in _SDKS:
        # The SDKs import a module only at the first use of one of its attributes.
        getattr(importlib.import_module(name), "__all__", None)
    sys.path.insert(0, str(_PROJECT))
    for module in pkgutil.walk_packages([str(_PROJECT / "components")], "components."):
        importlib.import_module(module.name)
    # Garbage collection in a child would copy the memory of all imported modules.
    gc.disable()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run_once(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run_once(arguments: list[str], folder: str, environment: dict[str, str], said: str) -> None:
    code = 1
    try:
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        project, target, mode = arguments
        # As in the real engine. The first thing that the program does is to end it.
        gc.enable()
        fake_engine.main(Path(project), Path(target), mode == "preview")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Exit handlers of the parent process must not run here.
        os._exit(code)


if __name__ == "__main__":
    _serve()
