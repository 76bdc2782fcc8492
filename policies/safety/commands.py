"""Commands on machines: whom they talk to, and what stands in their text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from pulumi_policy import Policy, Severity

from policies.item import UNKNOWN, Item
from policies.rule import About, Setting, Settings, resource_rule

_REMOTE = (
    "command:remote:Command",
    "command:remote:CopyFile",
    "command:remote:CopyToRemote",
)
_COMMANDS = ("command:remote:Command", "command:local:Command")
_INSTANCE = "aws:ec2/instance:Instance"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"

_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_PUBLIC = re.compile(
    r"-----BEGIN (?:CERTIFICATE|CERTIFICATE REQUEST|PUBLIC KEY)-----.*?-----END [A-Z ]+-----"
    r"|\b(?:ssh-[a-z0-9]+|ecdsa-sha2-[a-z0-9]+)\s+[A-Za-z0-9+/=]+|\bsha(?:256|384|512)[-:][A-Za-z0-9+/=]+",
    re.DOTALL,
)
_TOKENS = {
    "a bootstrap token": re.compile(r"(?<![\w.])[a-z0-9]{6}\.[a-z0-9]{16}(?![\w.])"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_\w{36,}\b|\bgithub_pat_\w{22,}"),
    # A value, not the name of a variable or a file: `--token=$TOKEN`, `--password-file=/x` are as they should be.
    "a password or token": re.compile(
        r"(?i)\b(?:password|passwd|secret|token)[=:]\s*[\"']?(?![$/<\"'{])[^\s\"';&|]{8,}"
    ),
}
_LONG = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{40,}={0,2}(?![\w+/=-])")


def host_key(item: Item, _: Settings) -> Iterator[str]:
    """SSH connections, and those of a jump host on the way, that would talk to anybody who answers."""
    connection = item.props.get("connection")
    if not isinstance(connection, Mapping):
        return
    for name, ends in (("connection", connection), ("connection.proxy", connection.get("proxy"))):
        # UNKNOWN is a key that this plan makes; a key that is there may not be empty.
        if isinstance(ends, Mapping) and ends.get("hostKey") is not UNKNOWN and not ends.get("hostKey"):
            yield (
                f"{item.name}: {name}.hostKey is not set, so a machine in between could read all that is sent to "
                f"{ends.get('host')}. Pin the host's public key (ssh-keyscan, checked by another way)."
            )


def secrets(item: Item, settings: Settings) -> Iterator[str]:
    """Secrets in texts that a failing command prints whole, and that stand in `ps` and in plans."""
    for where, text in _texts(item):
        found = sorted(_kinds(text, int(settings["length"])))
        if found:
            yield (
                f"{item.name}: {where} holds what looks like {' and '.join(found)} (not shown). Send it on standard "
                "input as a secret, or read it from a file on the machine."
            )


def _texts(item: Item) -> Iterator[tuple[str, str]]:
    names = ("create", "update", "delete") if item.type in _COMMANDS else ("userData", "userDataBase64")
    for name in names:
        yield name, item.text(name) or ""
    triggers = item.props.get("triggers")
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else []):
        yield f"triggers[{index}]", trigger if isinstance(trigger, str) else ""


def _kinds(text: str, length: int, deep: bool = True) -> set[str]:
    text = _PUBLIC.sub(" ", text)
    found = {"a private key"} if _KEY.search(text) else set()
    found |= {what for what, pattern in _TOKENS.items() if pattern.search(text)}
    for run in (match[0] for match in _LONG.finditer(text)):
        inside = _kinds(_decoded(run), length, deep=False) if deep else set()
        if inside:
            found |= {f"{what} in base64" for what in inside}
        elif len(run) >= length and _is_random(run):
            found.add(f"a random value of {len(run)} characters")
    return found


def _decoded(run: str) -> str:
    try:
        return base64.b64decode(run + "=" * (-len(run) % 4)).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""


def _is_random(run: str) -> bool:
    """Whether a run is like 32 random bytes in base64: not hexadecimal (a digest), not a path, not words."""
    kinds = [sum(test(c) for c in run) for test in (str.isupper, str.islower, str.isdigit)]
    marks = sum(c in "/_-" for c in run)
    return all(count >= len(run) / 16 for count in kinds) and marks <= len(run) / 10 and kinds[0] > len(run) / 8


RULES: list[Policy] = [
    resource_rule(
        About("ssh-host-key", "SSH connections know whom they talk to.", {}, Severity.CRITICAL), _REMOTE, host_key
    ),
    resource_rule(
        About(
            "secret-in-command",
            "No secret stands in the text of a command.",
            {"length": Setting(43, "Characters from which on a random-looking value counts: 32 bytes in base64.")},
            Severity.CRITICAL,
        ),
        [*_COMMANDS, _INSTANCE, _TEMPLATE],
        secrets,
    ),
]
