"""Proposes the next step of a rotation, or takes one step or all steps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from components.config.generations import Generations, KeyGenerations
from components.config.rotation import read_recorded
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.common.store import write_atomically
from tools.operate import kubectl, page
from tools.operate.stack import Stack
from tools.rotate.edit import with_generations
from tools.rotate.steps import ALL, KEYS, SSH_KEY, Phase, Step, begun_steps, next_steps
from tools.rotate.tokens import key_id, signed_by_another_key
from tools.rotate.workloads import RESTARTABLE, Workload, published, stale, workloads

REQUEST_SECONDS, ROLLOUT_SECONDS = 30, 600


class Apply(StrEnum):
    """How many steps the command takes: the next step, or all steps until the rotation is complete."""

    NEXT = "next"
    ALL = "all"


class Pods(StrEnum):
    """What happens to pods that may not trust the authority of the API that stays: restart them, or keep them."""

    RESTART = "restart"
    KEEP = "keep"


def rotate(
    stack: Stack, what: str, apply: Apply | None = None, pods: Pods | None = None, arguments: Sequence[str] = ()
) -> int:
    """Propose the next step for the key `what`, or take steps. To take a step is to edit the page and to run `up`.

    `arguments` are passed to Pulumi. Returns Pulumi's exit code. A step is taken only if the previous step is complete.
    Raises ToolError if somebody has to do something before the step.
    """
    names = _names(stack, what)
    if apply is None:
        return _propose(stack, what, names)
    left = list(names)
    if begun := _begun(stack):
        say("a step on the page is not complete: `up` completes the step first")
        if code := stack.up(arguments):
            return code
        left = [name for name in left if not _is_ended(begun.get(name), _on_page(stack)[KEYS[name]])]
        if apply is Apply.NEXT:
            return 0
    while left:
        steps = next_steps(left, _on_page(stack))
        _check(stack, steps, pods)
        for step in steps:
            say(step.sentence())
        _write(stack, steps)
        if code := stack.up(arguments):
            say("the page has this step already; run the same command again when the cause is mended")
            return code
        if apply is Apply.NEXT:
            return 0
        ended = [step.key for step in steps if _is_ended(step.phase, step.after)]
        left = [name for name in left if name not in ended]
    return 0


def _is_ended(phase: Phase | None, after: Generations) -> bool:
    """Whether a rotation is complete with this step."""
    return phase is Phase.DISTRUST and after.is_single


def _names(stack: Stack, what: str) -> Sequence[str]:
    """The keys that `what` means. Raises ToolError if the program does not make the key."""
    path = stack.clone.page(stack.name)
    made = [name for name in KEYS if name != SSH_KEY or not page.takes_ssh(path)]
    if what not in (ALL, *made):
        raise ToolError(
            f"{path.name}: the provider existing logs in with a key of the operator, so there is no {what} to replace: "
            "replace the key on the hosts and in hardway:machines"
        )
    return made if what == ALL else (what,)


def _propose(stack: Stack, what: str, names: Sequence[str]) -> int:
    if begun := _begun(stack):
        say(f"a step on the page is not complete: {', '.join(begun)}; complete the step with `make up`")
        return 0
    steps = next_steps(names, _on_page(stack))
    for step in steps:
        after = step.after
        say(step.sentence())
        line = f"{{trusted: {list(after.trusted)}, active: {after.active}}}"
        say(f"    hardway:pki.generations.{KEYS[step.key]}: {line}")
    again = f"make rotate STACK={stack.name} WHAT={what}"
    say(f"review this edit of {stack.clone.page(stack.name).name}, then `make up`; or let `{again} APPLY=next` do both")
    say(f"`{again} APPLY=all` goes on until the rotation is complete")
    return 0


def _on_page(stack: Stack) -> Mapping[str, Generations]:
    path = stack.clone.page(stack.name)
    pki = page.section(page.read(path), "pki") or {}
    try:
        return KeyGenerations.model_validate(pki.get("generations") or {}).on_page()
    except ValueError:
        raise ToolError(f"{path.name}: hardway:pki.generations is wrong; `make preview` says what is allowed") from None


def _begun(stack: Stack) -> Mapping[str, Phase]:
    """The step of each key whose generations on the page differ from the generations of the last complete `up`."""
    before = read_recorded(stack.known_outputs().get("generations") or {}).on_page()
    return begun_steps(before, _on_page(stack))


def _write(stack: Stack, steps: Sequence[Step]) -> None:
    path = stack.clone.page(stack.name)
    changes = {KEYS[step.key]: step.after for step in steps}
    write_atomically(path, with_generations(path.read_text(), changes, path.name), path.stat().st_mode & 0o777)


# --- what has to be done before a step ------------------------------------------------------------------------------


def _check(stack: Stack, steps: Sequence[Step], pods: Pods | None) -> None:
    phases = {step.key: step.phase for step in steps}
    if phases.get("kubernetes-ca") is Phase.DISTRUST and pods is not Pods.KEEP:
        _refresh_pods(stack, pods)
    if phases.get("service-account") is Phase.DISTRUST:
        _refuse_token_secrets(stack)


def _refresh_pods(stack: Stack, pods: Pods | None) -> None:
    """Restart the workloads whose pods may not trust the authority that stays.

    Raises ToolError if a pod has to be restarted by hand, or if `pods` does not allow restarts.
    """
    name = "--field-selector=metadata.name=kube-root-ca.crt"
    since = published(_items(stack, "configmaps", name, "--show-managed-fields"))
    old = workloads(stale(_items(stack, "pods"), since), _items(stack, "replicasets"))
    if not old:
        return
    fixed = [workload for workload in old if workload.kind not in RESTARTABLE]
    if pods is not Pods.RESTART or fixed:
        listed = fixed if pods is Pods.RESTART else old
        raise ToolError(
            "these pods started before they could know the authority that stays, and would not trust the API: "
            f"{'; '.join(map(str, listed))}. Restart them; or PODS=restart restarts Deployments, StatefulSets and "
            "DaemonSets; or PODS=keep goes on, if these programs read their trust bundle again by themselves"
        )
    for workload in old:
        _restart(stack, workload)


def _restart(stack: Stack, workload: Workload) -> None:
    target = [f"{workload.kind.lower()}/{workload.name}", f"--namespace={workload.namespace}"]
    say(f"restarts {workload}, so that its pods trust the authority that stays")
    _kubectl(stack, "rollout", "restart", *target)
    _kubectl(stack, "rollout", "status", *target, f"--timeout={ROLLOUT_SECONDS}s", "--request-timeout=0")


def _refuse_token_secrets(stack: Stack) -> None:
    """Raise ToolError if Secrets contain tokens: these tokens have no end, and nothing signs them again.

    https://kubernetes.io/docs/concepts/configuration/secret
    """
    secrets = _items(stack, "secrets", "--field-selector=type=kubernetes.io/service-account-token")
    if not secrets:
        return
    active = key_id(_kubectl(stack, "create", "token", "default", "--namespace=kube-system"))
    if old := signed_by_another_key(secrets, active):
        raise ToolError(
            f"these Secrets hold tokens that another key than the active key signed: {'; '.join(old)}. Delete the "
            "Secrets, or make the Secrets anew; then go on"
        )


def _items(stack: Stack, kind: str, *options: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads(
        _kubectl(stack, "get", kind, "--all-namespaces", "--output=json", *options)
    )["items"]
    return found


def _kubectl(stack: Stack, *arguments: str) -> str:
    command = kubectl.required(stack, REQUEST_SECONDS)
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"kubectl {arguments[0]} {arguments[1]} failed: {done.stderr.strip()}")
    return done.stdout
