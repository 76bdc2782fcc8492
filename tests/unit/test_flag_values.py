"""Values of flags by their types: what Go's parsers accept."""

from __future__ import annotations

import pytest

from components.config.field_values import problems
from components.config.flag_values import KINDS, is_quantity, seconds

GOOD = {
    "bool": ["true", "false", "1", "F"],
    "int": ["0", "-5", "+7", "9223372036854775807"],
    "int32": ["-2147483648", "2147483647"],
    "uint": ["0", "18446744073709551615"],
    "float32": ["0", "-1.5", ".5", "1e3"],
    "duration": ["0", "90s", "1h30m", "1.5h", "-2m", "100ms", "1us"],
    "quantity": ["0", "100Mi", "1.5G", "5e3", "-1", "100m"],
    "ip": ["10.0.0.1", "::1"],
    "strings": ["", "a,b", '"a b",c', '"a,b",c', '"a ""b"""'],
    "stringToString": ["a=b", "a,b=c", '"a=1,2",b=c'],
    "mapStringBool": ["", "A=true", "A=true,B=false"],
    "colonSeparatedMultimapStringString": ["kube:A=true", "A=true"],
    "vmodule": ["gc=5", "gc*=5,x=1"],
    "int32Slice": ["1,2", "29"],
}
WRONG = {
    "bool": ["yes", "on", "TrUe", ""],
    "int": ["", "1.0", "1k", "0x1F", "010", "9223372036854775808", " 1", "\u0661"],
    "int32": ["2147483648", "-2147483649"],
    "uint": ["-1", "18446744073709551616"],
    "float32": ["", "inf", "nan", "1,5", "1e999"],
    "duration": ["", "5", "1d", "h", "1 h", "1h-30m", "3000000h", "\u0661h"],
    "quantity": ["", "10MB", "1 Gi", "Mi", "1e", "1MiB"],
    "ip": ["10.0.0", "localhost", "fe80::1%eth0"],
    "strings": ['a"b', '"a', '"a"b'],
    "stringToString": ["", "a", "a=1,b=2,c"],
    "mapStringBool": ["A", "A=yes", "A=true,B"],
    "colonSeparatedMultimapStringString": ["A", "A=on"],
    "vmodule": ["gc", "gc=x", "gc=-1"],
    "int32Slice": ["a", "1,,2"],
}


@pytest.mark.parametrize("kind", GOOD)
def test_values(kind: str) -> None:
    assert [text for text in GOOD[kind] if not KINDS[kind].is_valid(text)] == []
    assert [text for text in WRONG[kind] if KINDS[kind].is_valid(text)] == []


def test_seconds() -> None:
    assert [seconds(text) for text in ("1h30m", "-1.5s", "250ms", "0")] == [5400.0, -1.5, 0.25, 0.0]


def test_quantities() -> None:
    assert [is_quantity(text) for text in ("1Ki", "1ki", "1k", "1K")] == [True, False, True, False]


@pytest.mark.parametrize(
    ("known", "value", "found"),
    [
        ("int32", 5, None),
        ("int32", 5.0, "is not a whole number"),
        ("int32", True, "is not a whole number"),
        ("int32", 2**31, "is too large"),
        ("uint32", -1, "is too small"),
        ("number", 0.5, None),
        ("number", float("nan"), "is not a number"),
        ("number", float("inf"), "is not a number"),
        ("string", 5, "is not a string (quote it)"),
        ("boolean", "true", "is not true or false"),
        ("duration", 300, "is not a duration (it needs a unit)"),
        ("duration or nanoseconds", 300, None),
        ("duration or nanoseconds", 2**63, "is too large"),
        ("quantity", "10MB", "is not a quantity"),
        (["string"], "a", "is not a list"),
        (["string"], ["a", 1], "is not a string (quote it)"),
        ({"*": "string"}, ["a"], "is not a mapping"),
        ({"*": "string"}, {"a": None}, "is not a string"),
        ({"a": {"b": "boolean"}}, {"a": {"b": True}}, None),
        ({"a": {"b": "boolean"}}, {"a": {"c": True}}, "is not a known field"),
        ("any", {"whatever": 1}, None),
    ],
)
def test_fields(known: object, value: object, found: str | None) -> None:
    assert [problem for _, _, problem, _ in problems(known, value, ())] == ([] if found is None else [found])
