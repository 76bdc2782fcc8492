"""`make certificates`: prints the calendar of a stack, and also draws the calendar into a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tools.certificates import clock, drawing, kubelets, table
from tools.certificates.rows import Kubelet, calendar
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.common.store import write_atomically
from tools.operate import kubectl
from tools.operate.stack import Stack


def show(stack: Stack, svg: Path | None = None) -> int:
    """Prints the table. If `svg` is given, draws the calendar into this file as well. Returns the exit code.

    A kubelet that does not answer is a row and no error. Raises ToolError if the stack has no certificates, if
    HARDWAY_NOW is not a time, or if the file cannot be written.
    """
    now = clock.now()
    known = stack.known_outputs()
    if not known.get("certificates"):
        raise ToolError(f"stack {stack.name} has no certificates yet: run `make up STACK={stack.name}`")
    if "keys" not in known:
        say("the stack has no output `keys`: keys without a certificate are not in the list")
    nodes = known.get("nodes") or {}
    asked = _ask(stack, kubelets.with_kubelet(nodes))
    rows = calendar(known["certificates"], known.get("keys") or (), asked, nodes.keys(), now)
    say(f"certificates and keys of stack {stack.name} at {now:%Y-%m-%d %H:%M} UTC")
    for line in table.lines(rows, now):
        print(line)
    if svg:
        try:
            write_atomically(svg, drawing.draw(rows, stack.name, list(nodes), now))
        except (OSError, ValueError) as error:
            # ValueError: the file exists and is not a text, so the name of the file is probably a mistake.
            raise ToolError(f"{svg}: {error}; allowed: a new file, or an SVG that may be replaced") from None
        say(f"the calendar is {svg}")
    return 0


def _ask(stack: Stack, nodes: list[str]) -> list[Kubelet]:
    command = kubectl.as_admin(stack, kubelets.TIMEOUT_SECONDS)
    if command is None:
        return _not_asked(nodes, kubectl.MISSING)
    if not stack.clone.kubeconfig(stack.name).exists():
        return _not_asked(nodes, f"there is no kubeconfig: run `make kubeconfig STACK={stack.name}`")
    found = kubelets.ask(nodes, command)
    _explain(found)
    return found


def _not_asked(nodes: list[str], why: str) -> list[Kubelet]:
    say(f"the kubelets are not asked: {why}")
    return [Kubelet(node, None, "not asked", why) for node in nodes]


def _explain(found: Iterable[Kubelet]) -> None:
    """Prints each reason once, with its kubelets: without an API, all kubelets have the same reason."""
    silent: dict[str, list[str]] = defaultdict(list)
    for kubelet in found:
        if kubelet.answer == "does not answer":
            silent[kubelet.why].append(kubelet.node)
    for why, nodes in silent.items():
        say(f"no answer from the kubelet of {', '.join(nodes)}: {why}")
