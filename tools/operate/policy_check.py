"""Checks the certificates in the state of a stack: runs no program, connects to no machine, changes nothing.

Prints how many days each certificate has left, then the findings of the policies. The exit code is not 0 if a mandatory
rule is violated or if the stack does not exist, so this can be a nightly job.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from policies import clock
from policies.certificates.limits import REMAINING, REMAINING_RULE, setting
from policies.certificates.model import PEOPLE, Certificate, certificates
from policies.item import exported
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.common.progress import say
from tools.common.store import write_atomically
from tools.operate.envsh import environment, prepare_state

STRICT = "prod"
"""The configuration of stacks without a configuration of their own name."""


def check(clone: Clone, stack: str, config: Path | None = None) -> int:
    """Prints the table and the findings, and returns the exit code of Pulumi. Raises ToolError if there is no state."""
    config = config or _config(clone, stack)
    limits = _limits(config)
    prepare_state(clone)
    env = environment(clone, stack, os.environ)
    text = _export(clone, stack, env)
    resources = json.loads(text)["deployment"].get("resources") or []
    say(f"certificates of stack {stack}, with the settings in {config}")
    for line in table(certificates(exported(resources), limits["people"]), limits, clock.now()):
        print(line)
    sys.stdout.flush()
    return _analyze(clone, stack, text, config, env)


def table(found: Iterable[Certificate], limits: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """A line for each certificate, in the order of their ends. `limits` are the settings of the rule, in hours."""
    rows = [("CERTIFICATE", "KIND", "ENDS", "DAYS LEFT", "RENEWED FROM", "STATUS")]
    for certificate in sorted(found, key=lambda c: (c.end or now, c.name)):
        left = certificate.hours_left(now)
        if certificate.end is None or certificate.renewed_from is None or left is None:
            continue
        times = (clock.text(certificate.end), f"{left / 24:.1f}", clock.text(certificate.renewed_from))
        status = _status(certificate, left, limits.get(setting(certificate.kind)), now)
        rows.append((certificate.name, certificate.kind, *times, status))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(rows) == 1:
        yield "none"


def _status(certificate: Certificate, left: float, limit: float | None, now: datetime) -> str:
    """`limit` is None for the program's own certificate, which may end: each `up` renews it before it uses it."""
    if left <= 0:
        return "ended" if limit is not None else "ended: `make up` renews it"
    if limit is not None and left < limit:
        return f"less than {limit:g} hours left"
    # The Pulumi provider uses the same window: `up` renews the certificate.
    return "due: `make up` renews it" if certificate.renewed_from <= now else "ok"


def _config(clone: Clone, stack: str) -> Path:
    folder = clone.root / "policies" / "config"
    own = folder / f"{stack}.json"
    return own if own.exists() else folder / f"{STRICT}.json"


def _limits(config: Path) -> dict[str, Any]:
    """The settings of the rule about the time that is left."""
    try:
        given = json.loads(config.read_text()).get(REMAINING_RULE, {})
    except (OSError, ValueError) as error:
        raise ToolError(f"{config}: {error}") from None
    limits: dict[str, Any] = {setting(kind): hours for kind, hours in REMAINING.items()} | {"people": PEOPLE}
    return limits | (given if isinstance(given, dict) else {})


def _export(clone: Clone, stack: str, env: Mapping[str, str]) -> str:
    answer = _pulumi(clone, env, "stack", "export", "--stack", stack, capture=True)
    if answer.returncode == 0:
        return answer.stdout
    if "no stack named" in answer.stderr:
        raise ToolError(f"stack {stack} does not exist: there is nothing to check; `make up STACK={stack}` makes it")
    raise ToolError(f"the state of stack {stack} cannot be read: {answer.stderr.strip()}")


def _analyze(clone: Clone, stack: str, export: str, config: Path, env: Mapping[str, str]) -> int:
    # From an export: with a stack, Pulumi would write the salt of the passphrase into the committed page.
    file = clone.state / stack / f"policy-check-{os.getpid()}.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(file, export, 0o600)
    try:
        pack = ["--policy-pack", str(clone.root / "policies"), "--policy-pack-config", str(config)]
        only = {**env, "HARDWAY_POLICY_FAMILIES": "certificates"}
        return _pulumi(clone, only, "policy", "analyze", "--file", str(file), *pack).returncode
    finally:
        file.unlink()


def _pulumi(
    clone: Clone, env: Mapping[str, str], *arguments: str, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    command = ["pulumi", *arguments, "--non-interactive"]
    return subprocess.run(command, cwd=clone.root, env=dict(env), capture_output=capture, text=True, check=False)
