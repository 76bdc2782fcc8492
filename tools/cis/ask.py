"""Runs kube-bench on all machines of a stack, and the measurements of answers with kubectl."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tools.cis.findings import Machine, Measurement, parse
from tools.common.answer import NoAnswerError, answer

LIMIT_SECONDS = 600
"""The longest time for one machine: the program has to get there, and then reads files and flags for seconds."""
_AT_ONCE = 4
"""Each machine gets tens of megabytes."""
_ATTEMPTS = 3
"""podman's `exec` sometimes loses the output of a program on a busy host. Another run changes nothing."""
_API_SECONDS = 60

FUNCTIONS = """\
# Whether an ordinary user, who is in no group but that of everybody, may not do this.
nobody_may() { # VERB RESOURCE [SUBRESOURCE]
    found=$(kubectl auth can-i "$1" "$2" ${3:+--subresource="$3"} --all-namespaces \\
        --as=cis-nobody --as-group=system:authenticated 2>/dev/null || true)
    [ "$found" = no ] || { echo "everybody may $1 $2${3:+/$3}: ${found:-no answer}"; exit 1; }
}
# What the API says of a pod in the namespace default that it would have to create. SPEC and CONTAINER are JSON with a
# comma at the end, or empty.
try_pod() { # SPEC CONTAINER
    pod='{"apiVersion":"v1","kind":"Pod","metadata":{"name":"cis","namespace":"default"},"spec":{%s"containers":[{%s"name":"cis","image":"registry.invalid/cis:1"}]}}'
    # shellcheck disable=SC2059
    printf "$pod" "${1:-}" "${2:-}" | kubectl create --dry-run=server --filename - 2>&1 || true
}
refuses_pod() { # SPEC CONTAINER
    found=$(try_pod "$@")
    case $found in *'violates PodSecurity "baseline'*) ;; *) echo "$found"; exit 1 ;; esac
}
warns_of_pod() { # SPEC CONTAINER
    found=$(try_pod "$@")
    case $found in *'would violate PodSecurity "restricted'*) ;; *) echo "$found"; exit 1 ;; esac
}
"""
"""Functions for the measurements with kubectl in answers.yaml. They create nothing."""


def machines(commands: Mapping[str, str], request: Callable[[str], bytes]) -> tuple[Machine, ...]:
    """The answer of each machine. `commands` are command lines by node, `request` the standard input for a node."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(lambda node: _ask(node, commands[node], request(node)), commands))


def _ask(node: str, command: str, request: bytes) -> Machine:
    silence = ""
    for _ in range(_ATTEMPTS):
        try:
            return parse(node, answer(shlex.split(command), LIMIT_SECONDS, request))
        except NoAnswerError as error:
            return Machine(node, silence=str(error))
        except ValueError as error:
            silence = str(error)
    return Machine(node, silence=silence)


def api(scripts: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, Measurement]:
    """The results of measurements with kubectl, by the id of their control, on this machine with this environment."""
    return {control: _measure(script, environment) for control, script in scripts.items()}


def _measure(script: str, environment: Mapping[str, str]) -> Measurement:
    try:
        done = subprocess.run(
            ["sh", "-euc", f"{FUNCTIONS}\n{script}"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_API_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Measurement(False, f"no answer within {_API_SECONDS} s")
    said = done.stdout.strip().splitlines()
    return Measurement(done.returncode == 0, said[-1] if said else "")
