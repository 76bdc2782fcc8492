"""The command line of kubectl for the admin of a stack."""

import os
import shutil

from tools.common.errors import ToolError
from tools.operate.envsh import environment, kube_cache
from tools.operate.stack import Stack

MISSING = "there is no kubectl, neither built here nor on PATH"


def required(stack: Stack, seconds: int) -> list[str]:
    """The result of `as_admin`. Raises ToolError if there is no kubectl."""
    command = as_admin(stack, seconds)
    if command is None:
        raise ToolError(
            f"{MISSING}: install kubectl (https://kubernetes.io/docs/tasks/tools) and run this again; nothing was "
            "changed"
        )
    return command


def as_admin(stack: Stack, seconds: int) -> list[str] | None:
    """Program and options, with the kubeconfig of the admin; None if there is no kubectl. A request may take `seconds`.

    The program is that of `make env`: the one that was built here, or else the one on PATH.
    """
    path = environment(stack.clone, stack.name, os.environ)["PATH"]
    kubectl = shutil.which("kubectl", path=path)
    if kubectl is None:
        return None
    return [
        kubectl,
        f"--kubeconfig={stack.clone.kubeconfig(stack.name)}",
        f"--cache-dir={kube_cache(stack.clone, stack.name)}",
        f"--request-timeout={seconds}s",
    ]
