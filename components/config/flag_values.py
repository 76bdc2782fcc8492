"""Values of command line flags, by the type that a program gives to a flag.

Each check repeats what the program's own parser accepts: github.com/spf13/pflag and k8s.io/component-base/cli/flag for
Kubernetes, Go's package `flag` for etcd. A number is decimal here: Go reads 010 as 8, which nobody means.
"""

import csv
import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

_DURATION = re.compile(r"[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+)", re.A)
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.A)
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)", re.A)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.A)
_BOOLS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_SECONDS = 2**63 / 1e9


@dataclass(frozen=True)
class Kind:
    """The type of a flag: whether a text is a value of it, what it is called, what is allowed."""

    is_valid: Callable[[str], bool]
    name: str
    allowed: str


def is_whole(text: str, least: int, most: int) -> bool:
    """A decimal whole number from `least` to `most`."""
    return _NUMBER.fullmatch(text) is not None and least <= int(text) <= most


def seconds(text: str) -> float | None:
    """A duration as Go writes it, `1h30m`, in seconds. None if the text is no duration."""
    if not _DURATION.fullmatch(text):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)([a-zµ]+)", text))
    # Go counts nanoseconds in 64 bits.
    return None if total >= _LONGEST_SECONDS else -total if text.startswith("-") else total


def is_quantity(text: str) -> bool:
    """A quantity of Kubernetes, such as 100Mi or 0.5."""
    return _QUANTITY.fullmatch(text) is not None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _is_decimal(text: str) -> bool:
    return _DECIMAL.fullmatch(text) is not None and math.isfinite(float(text))


def is_true(text: str) -> bool:
    """Whether a program takes the text of a flag for true. Anything else is false."""
    return text in _BOOLS[:6]


def is_bool(text: str) -> bool:
    """Whether the text is one that Go's strconv.ParseBool knows."""
    return text in _BOOLS


def items(text: str) -> list[str]:
    """The items of a list with commas between them; an item in quotes may have commas itself. No item in no text."""
    return next(csv.reader([text]), []) if text else []


def assignments(text: str) -> list[tuple[str, str]]:
    """`a=b,c` as pairs, as the type ConfigurationMap of k8s.io/component-base reads it: `c` has no value."""
    found = [part.partition("=") for part in text.split(",") if part]
    return [(key.strip(), value.strip()) for key, _, value in found]


def pairs(text: str) -> list[tuple[str, str]] | None:
    """`a=b,c=d` as pairs. None if a part has no '='."""
    found = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    return [(key.strip(), value.strip()) for key, _, value in found] if all(sign for _, sign, _ in found) else None


def csv_pairs(text: str) -> list[tuple[str, str]] | None:
    """The same for pflag's type stringToString: with a single '=' the text is one pair, else it is a line of CSV."""
    parts = [text] if text.count("=") == 1 else next(csv.reader([text], strict=True), [])
    found = [part.partition("=") for part in parts]
    return [(key, value) for key, _, value in found] if found and all(sign for _, sign, _ in found) else None


def _are_csv_pairs(text: str) -> bool:
    try:
        return csv_pairs(text) is not None
    except csv.Error:
        return False


def _are_gates(text: str) -> bool:
    found = pairs(text)
    return found is not None and all(value in _BOOLS for _, value in found)


def _are_levels(text: str) -> bool:
    found = pairs(text)
    return found is not None and all(key and is_whole(value, 0, 2**31 - 1) for key, value in found)


def _are_strings(text: str) -> bool:
    # encoding/csv of Go: a quote is allowed around a whole item only.
    item = r'([^",]*|"([^"]|"")*")'
    return re.fullmatch(rf"{item}(,{item})*", text) is not None


def _whole(bits: int, signed: bool = True) -> Kind:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    limits = (
        f"a whole number from {least} to {most}" if bits < 64 else "a whole number" + ("" if signed else ", at least 0")
    )
    return Kind(lambda text: is_whole(text, least, most), "a whole number", limits)


_FLOAT = Kind(_is_decimal, "a number", "a number such as 0.5")
_GATES = Kind(_are_gates, "a list of feature gates", "NAME=true or NAME=false, several with commas between them")
KINDS = {
    "bool": Kind(lambda text: text in _BOOLS, "true or false", "true or false"),
    "int": _whole(64),
    "int32": _whole(32),
    "uint": _whole(64, signed=False),
    "uint32": _whole(32, signed=False),
    "uint31": _whole(31, signed=False),
    "float": _FLOAT,
    "float32": _FLOAT,
    "duration": Kind(
        lambda text: seconds(text) is not None,
        "a duration",
        "numbers with the units h, m, s or ms, such as 90s or 1h30m",
    ),
    "quantity": Kind(is_quantity, "a quantity", "a quantity of Kubernetes, such as 100Mi or 1G"),
    "ip": Kind(_is_ip, "an address", "an address such as 192.168.10.11"),
    "strings": Kind(_are_strings, "a list", "texts with commas between them; quotes around whole items only"),
    "int32Slice": Kind(
        lambda text: all(is_whole(part.strip(), -(2**31), 2**31 - 1) for part in text.split(",")),
        "a list of whole numbers",
        "whole numbers with commas between them",
    ),
    "stringToString": Kind(
        _are_csv_pairs, "a list of pairs", "KEY=VALUE, several as CSV with commas between them and quotes around each"
    ),
    "mapStringBool": _GATES,
    "colonSeparatedMultimapStringString": _GATES,
    "vmodule": Kind(_are_levels, "a list of levels", "FILE=LEVEL, several with commas between them"),
}
"""The types by the names that `--help` prints. A type that is missing here, such as `string`, accepts every text."""
