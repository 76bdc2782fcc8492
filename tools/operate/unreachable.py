"""Finds machines that did not answer or went away, in the event log of a failed run: one sentence for each machine."""

import re

from components.resource_names import NodeResource, name_of
from tools.operate.failures import errors

# Messages of the command plugin that is built here, and of the official plugin
# (provider/pkg/provider/remote/connection.go).
_DIAL = re.compile(
    r"(?P<what>dial[^:]*?) (?P<address>\S+:\d+): after (?P<dials>\d+) failed attempts: (?P<why>.*)", re.S
)
_OFFICIAL = re.compile(r"after (?P<dials>\d+) failed attempts: (?P<why>.*)", re.S)
# The message of Go's SSH client if the connection of a command broke (ssh.ExitMissingError).
_BROKEN = "remote command exited without exit status or exit signal"


def sentences(events: str, stack: str) -> list[str]:
    """One sentence for each machine, in the order of the failures. `events` is the text of an event log."""
    found: dict[str, str] = {}
    for urn, message in errors(events):
        name = name_of(urn)
        for kind in (NodeResource.STAGE, NodeResource.ACTIVATE):
            node = kind.node_in(name)
            sentence = _sentence(node, kind.name.lower(), message) if node else ""
            if sentence and node not in found:
                found[node] = f"{sentence}; when it answers again, `make up STACK={stack}` continues"
    return list(found.values())


def _sentence(node: str, step: str, message: str) -> str:
    failed = _DIAL.search(message) or _OFFICIAL.search(message)
    if failed:
        parts = failed.groupdict()
        where = f" at {parts['address']}" if "address" in parts else ""
        return (
            f"{node} did not answer by SSH{where} ({failed['dials']} attempts; {_last_cause(failed['why'])}): "
            f"this run's {step} changed nothing on it, and finished steps on other machines are recorded"
        )
    if _BROKEN in message:
        return f"{node} went away during this run's {step}, which may be half done"
    return ""


def _last_cause(why: str) -> str:
    """The message of the system: the text after the last colon of the first line."""
    return why.strip().splitlines()[0].rpartition(": ")[2]
