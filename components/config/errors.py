"""Findings about a configuration page, and the one exception that carries them all."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAMESPACE = "hardway"
HIDDEN = "[secret]"
_LONGEST_VALUE = 80
# A password or a token in a URL: the part before the host, and the query.
_USERINFO, _QUERY = re.compile(r"(?<=://)[^/@\s]*@"), re.compile(r"(?<=\?).+")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: `path` as the user wrote it (camelCase), `problem` with the value in it, `allowed`."""

    path: str
    problem: str
    allowed: str

    def __str__(self) -> str:
        return f"{NAMESPACE}:{self.path}: {self.problem}; allowed: {self.allowed}"


class ConfigError(ValueError):
    """The page is wrong. The text has one line per finding; `findings` holds them one by one."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


def path_of(parts: Iterable[str | int]) -> str:
    """The path in the form which `pulumi config set --path` takes: `nodes[0].labels["example.com/rack"]`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.search(r'[.\[\]"\s]', part) or not part.isprintable() or not part:
            # A finding is one line, whatever a key of the page contains.
            plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in part)
            text += '["' + plain.replace('"', '\\"') + '"]'
        else:
            text += f".{part}" if text else part
    return text


def shown(value: Any) -> str:
    """A value as an error may print it: short, on one line, without passwords and tokens of URLs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping" if value else "{}"
    if isinstance(value, list | tuple):
        return "a list" if value else "[]"
    if isinstance(value, str):
        value = repr(_QUERY.sub("***", _USERINFO.sub("***@", value)) if "://" in value else value)
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 4]}...{text[-1]}"
