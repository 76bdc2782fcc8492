"""Looks at all hosts before anything changes on one, and says everything that is wrong with them at once.

It is also a program, which the operator's machine runs with OpenSSH's client: it reads an `Inspection` as JSON from
standard input and exits 1 with all findings. Standard library only: it runs with any Python that is there.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

SCRIPT = Path(__file__).with_suffix(".sh")
BETWEEN_HOSTS, TO_THIS_MACHINE = 5, 60
"""Seconds that clocks may differ: etcd and certificates count on them."""
_SECONDS = 60
_BASTION = "the-bastion"


@dataclass(frozen=True)
class Route:
    """An SSH server: where it is, who logs in there, and its public host key (`TYPE BASE64`)."""

    host: str
    port: int
    user: str
    host_key: str


@dataclass(frozen=True)
class Target:
    """A host by its node's name, and what preflight.sh is told about it: variables of its shell."""

    name: str
    route: Route
    needs: Mapping[str, str]


@dataclass(frozen=True)
class Inspection:
    """All hosts, and how they are reached. `private_key` is None where the SSH agent has it."""

    targets: tuple[Target, ...]
    bastion: Route | None
    private_key: str | None = field(repr=False)

    def to_json(self) -> str:
        """What `from_json` reads."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Inspection:
        """What `to_json` wrote."""
        data = json.loads(text)
        targets = tuple(Target(t["name"], Route(**t["route"]), t["needs"]) for t in data["targets"])
        return cls(targets, Route(**data["bastion"]) if data["bastion"] else None, data["private_key"])


@dataclass(frozen=True)
class Report:
    """What is known of a host: facts by name, and findings. A finding about the bastion is `about` it."""

    name: str
    facts: Mapping[str, str]
    findings: tuple[str, ...]
    clock: float = 0.0
    """Seconds by which its clock is ahead of this machine's."""
    about: str = ""


class Client:
    """OpenSSH's client, which believes the page alone: no configuration and no known hosts of the user's."""

    def __init__(self, folder: Path, inspection: Inspection) -> None:
        self._folder, self._bastion = folder, inspection.bastion
        self._key: list[str] = ["-o", "IdentityFile=none"]
        if inspection.private_key is not None:
            path = folder / "key"
            path.touch(0o600)
            path.write_text(inspection.private_key.rstrip("\n") + "\n")
            self._key = ["-i", str(path), "-o", "IdentitiesOnly=yes"]

    def command(self, name: str, route: Route, *rest: str) -> list[str]:
        """The command line that runs `rest` on a host."""
        jump = []
        if self._bastion is not None:
            through = [*self._base(_BASTION, self._bastion), "-W", "[%h]:%p", "--", self._bastion.host]
            jump = ["-o", "ProxyCommand=" + shlex.join(through).replace("'[%h]:%p'", "[%h]:%p")]
        return [*self._base(name, route), *jump, "--", route.host, *rest]

    def _base(self, name: str, route: Route) -> list[str]:
        known = self._folder / f"known-{name}"
        known.write_text(f"{name} {route.host_key}\n")
        kind = route.host_key.partition(" ")[0]
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "GlobalKnownHostsFile": "none",
            "HostKeyAlgorithms": "rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind,
            "HostKeyAlias": name,
            # A bastion says only at INFO why it does not reach a host.
            "LogLevel": "INFO",
            "ServerAliveInterval": "10",
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": str(known),
        }
        settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", "-T", *settings, *self._key, "-p", str(route.port), "-l", route.user]

    def look_at(self, target: Target) -> Report:
        """The report of a host; what keeps it from being looked at is a finding, too."""
        route = target.route
        remote = "sh -s" if route.user == "root" else "sudo -n sh -s"
        text = "".join(f"{key}={shlex.quote(value)}\n" for key, value in sorted(target.needs.items()))
        command = self.command(target.name, route, remote)
        try:
            done = subprocess.run(
                command,
                input=text + SCRIPT.read_text(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            return Report("this machine", {}, ("OpenSSH's client `ssh` is not there",), about="ssh")
        except subprocess.TimeoutExpired:
            return Report(target.name, {}, (f"no answer within {_SECONDS} s",))
        if "\nend\n" in done.stdout:
            return read_report(target.name, done.stdout, time.time())
        return refusal(target, self._bastion, done.returncode, done.stderr)


def read_report(name: str, text: str, now: float) -> Report:
    """What preflight.sh printed; `now` is this machine's clock at its end."""
    lines = [line.partition(" ") for line in text.splitlines()]
    pairs = (rest.partition(" ") for kind, _, rest in lines if kind == "fact")
    facts = {key: value for key, _, value in pairs}
    findings = tuple(rest for kind, _, rest in lines if kind == "finding")
    return Report(name, facts, findings, float(facts["clock"]) - now)


def refusal(target: Target, bastion: Route | None, code: int, said: str) -> Report:
    """Why a host could not be looked at, from what ssh, or sudo, said."""
    route, name, about = target.route, target.name, ""
    marks = [_BASTION, f"{bastion.user}@{bastion.host}: ", f"connect to host {bastion.host} "] if bastion else []
    if bastion and any(mark in said for mark in marks):
        route, name, about = bastion, f"bastion {bastion.host}", "bastion"
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), f"exit code {code}")
    where = f"{route.host}:{route.port}"
    if "Host key verification failed" in said or "no matching host key" in said or "host key is known" in said:
        kind = route.host_key.partition(" ")[0]
        problem = f"the SSH server at {where} has another host key than the page says ({kind})"
    elif "Permission denied" in said:
        denied = next(line for line in said.splitlines() if "Permission denied" in line)
        problem = f"{route.user} cannot log in at {where}: {denied.rpartition(': ')[2].strip()}"
    elif code == 255:  # ssh's own
        reasons = [line for line in said.splitlines() if "connect" in line or "Name or service" in line] or [last]
        reason = reasons[0].rpartition(": ")[2].strip()
        # Of a host behind a bastion ssh says that "Connection to UNKNOWN port 65535 timed out".
        reason = "Connection timed out" if "UNKNOWN" in reason and "timed out" in reason else reason
        problem = f"cannot be reached at {where}: {reason}"
    elif "sudo" in said:
        problem = f"{route.user} may not run commands as root without a password: {last}"
    else:
        problem = f"cannot be looked at: {last}"
    return Report(name, {}, (problem,), about=about)


def findings_of(reports: Sequence[Report]) -> list[str]:
    """Everything that is wrong, a line each with the host's name, in the order of the hosts."""
    found: dict[str, None] = {}
    complete = [report for report in reports if report.facts]
    middle = statistics.median_low([report.clock for report in complete]) if complete else 0.0
    stranger = _meets_stranger(reports) if len(complete) == len(reports) else None
    first: dict[tuple[str, str], str] = {}
    for report in reports:
        lines = list(report.findings)
        for fact in ("hostname", "machine-id"):
            value = report.facts.get(fact, "")
            other = first.setdefault((fact, value), report.name)
            if value and other != report.name:
                lines.append(f"its {fact} {value} is also that of {other}")
            elif report.facts and not value:
                lines.append(f"it has no {fact}")
        if report.facts:
            lines += _clock(report.clock, middle)
        if report is stranger:
            address = report.facts["virtual-address"].partition(" ")[2]
            lines.append(f"another machine has the virtual address {address}; needed: a free one")
        found |= dict.fromkeys(f"{report.name}: {line}" for line in lines)
    return list(found)


def _meets_stranger(reports: Sequence[Report]) -> Report | None:
    """The first host that got an answer from the virtual address, when none of the hosts has it."""
    seen = [(report.facts.get("virtual-address", "").partition(" ")[0], report) for report in reports]
    if any(where == "held" for where, _ in seen):
        return None
    return next((report for where, report in seen if where == "taken"), None)


def _clock(ahead: float, middle: float) -> Iterator[str]:
    for difference, limit, whose in (
        (ahead - middle, BETWEEN_HOSTS, "the other hosts'"),
        (ahead, TO_THIS_MACHINE, "this machine's"),
    ):
        if abs(difference) > limit:
            word = "ahead of" if difference > 0 else "behind"
            yield f"its clock is {abs(difference):.0f} s {word} {whose}; allowed: {limit} s"
            return


def inspect(inspection: Inspection) -> list[str]:
    """All findings about all hosts, which are looked at at the same time."""
    with TemporaryDirectory(prefix="hardway-") as folder, contextlib.ExitStack() as stack:
        client = Client(Path(folder), inspection)
        workers = stack.enter_context(ThreadPoolExecutor(32))
        return findings_of(list(workers.map(client.look_at, inspection.targets)))


def main() -> int:
    """Read the inspection, print the findings; returns the exit code."""
    inspection = Inspection.from_json(sys.stdin.read())
    found = inspect(inspection)
    if found:
        print("these hosts cannot become a cluster, and nothing was changed on any of them:", file=sys.stderr)
        print("".join(f"  {line}\n" for line in found), file=sys.stderr, end="")
        return 1
    names = ", ".join(target.name for target in inspection.targets)
    print(f"fit for a cluster: {names}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
