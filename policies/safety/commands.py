"""Rules about commands on machines: verified hosts, no secrets in the text."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping

from pulumi_policy import Severity

from policies.item import UNKNOWN, Item, texts_in
from policies.rule import About, Rule, Setting, Settings, resource_rule

_REMOTE = (
    "command:remote:Command",
    "command:remote:CopyFile",
    "command:remote:CopyToRemote",
)
_COMMANDS = ("command:remote:Command", "command:local:Command")
_INSTANCE = "aws:ec2/instance:Instance"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"

# A command gets secrets on standard input, and its connection logs in with them. The SDK of policies does not say which
# value is marked as a secret.
_MAY_HOLD_SECRETS = ("connection", "stdin", "stdout", "stderr")
_CLOUD_CONFIG = "#cloud-config\n"

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
    # A value, not the name of a variable or of a file: `--token=$TOKEN` and `--password-file=/x` are allowed.
    "a password or token": re.compile(
        r"(?i)(?<![a-z0-9])(?:password|passwd|secret|token)[=:]\s*[\"']?(?![$/<\"'{])[^\s\"';&|]{8,}"
    ),
}
_LONG = re.compile(r"(?<![\w+/-])[A-Za-z0-9+/_-]{40,}={0,2}(?![\w+/=-])")


def host_key(item: Item, _: Settings) -> Iterator[str]:
    """Finds SSH connections to hosts and bastions whose host key is not verified."""
    connection = item.props.get("connection")
    if connection is UNKNOWN:
        return
    ends_by_name = {"connection": connection if isinstance(connection, Mapping) else {}}
    proxy = ends_by_name["connection"].get("proxy")
    if proxy is not None and proxy is not UNKNOWN:
        ends_by_name["connection.proxy"] = proxy if isinstance(proxy, Mapping) else {}
    for name, ends in ends_by_name.items():
        # UNKNOWN is a key that this plan makes. A known key must not be empty.
        key = ends.get("hostKey")
        if key is not UNKNOWN and not (isinstance(key, str) and key.strip()):
            yield (
                f"{item.name}: {name}.hostKey is not set, so another machine could pretend to be {ends.get('host')} "
                "and read everything that is sent. Set the public host key (ssh-keyscan) after you verified it."
            )


def secrets(item: Item, settings: Settings) -> Iterator[str]:
    """Finds secrets in the text of commands: a failed command prints its text, and `ps` and plans show the text."""
    for where, text in _texts(item):
        found = sorted(_kinds(text, int(settings["length"])))
        if found:
            yield (
                f"{item.name}: {where} contains what looks like {' and '.join(found)} (not shown). Send the value on "
                "standard input as a secret, or read it from a file on the machine."
            )


def _texts(item: Item) -> Iterator[tuple[str, str]]:
    if item.type in _COMMANDS:
        for name, value in item.props.items():
            if name not in _MAY_HOLD_SECRETS:
                yield from texts_in(value, name)
        return
    for name in ("userData", "userDataBase64"):
        yield name, _without_host_key(item.text(name) or "")


def _without_host_key(text: str) -> str:
    """User data without the host key of the machine, whose first connection would otherwise not be verified.

    `instance-metadata` lets no pod read it. Only user data whose form the program writes is read: JSON for cloud-init.
    """
    plain = text if text.startswith(_CLOUD_CONFIG) else _decoded(text)
    if not plain.startswith(_CLOUD_CONFIG):
        return text
    try:
        config = json.loads(plain.removeprefix(_CLOUD_CONFIG))
    except ValueError:
        return text
    if not isinstance(config, dict):
        return text
    config.pop("ssh_keys", None)
    return "\n".join(found for _, found in texts_in(config, ""))


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
    """Whether `run` looks like 32 random bytes in base64, and not like a hexadecimal digest, a path or words."""
    kinds = [sum(test(c) for c in run) for test in (str.isupper, str.islower, str.isdigit)]
    marks = sum(c in "/_-" for c in run)
    return all(count >= len(run) / 16 for count in kinds) and marks <= len(run) / 10 and kinds[0] > len(run) / 8


RULES: list[Rule] = [
    resource_rule(
        About("ssh-host-key", "SSH connections verify the host key.", {}, Severity.CRITICAL), _REMOTE, host_key
    ),
    resource_rule(
        About(
            "secret-in-command",
            "No secret is in the text of a command.",
            {
                "length": Setting(
                    43, "Number of characters from which a random-looking value counts. 43: 32 bytes in base64."
                )
            },
            Severity.CRITICAL,
        ),
        [*_COMMANDS, _INSTANCE, _TEMPLATE],
        secrets,
    ),
]
