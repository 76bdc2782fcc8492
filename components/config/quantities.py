"""Quantities of resources as Kubernetes writes them: `500m`, `2`, `128Mi`.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from components.config.section import Rule

_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<suffix>[EPTGMk]|[EPTGMK]i|[num]|[eE][+-]?[0-9]{1,3}|)"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
MOST = Fraction(2**63 - 1)
"""The largest number of a quantity. Kubernetes cuts a larger quantity off."""
_MILLI = Fraction(1, 1000)
_EXAMPLES = "such as 500m, 2 or 128Mi"


def parse(text: str) -> Fraction | None:
    """The value of a quantity in its base unit (CPUs, bytes, objects). None if the text is not a quantity."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    number, suffix = Fraction(Decimal(found["number"])), found["suffix"]
    if suffix in _BINARY:
        return number * Fraction(2 ** _BINARY[suffix])
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return number * (Fraction(10**exponent) if exponent >= 0 else Fraction(1, 10**-exponent))


def _problem(value: str | int) -> str | None:
    amount = parse(str(value))
    if amount is None:
        return "is not a quantity"
    return None if amount <= MOST else "is larger than any resource"


def _cpu_problem(value: str | int) -> str | None:
    if problem := _problem(value):
        return problem
    return None if ((parse(str(value)) or 0) / _MILLI).denominator == 1 else "is not a whole number of thousandths"


def _whole_problem(value: str | int) -> str | None:
    if problem := _problem(value):
        return problem
    # 128m are 0.128 bytes, and a container with this limit does not start.
    return None if (parse(str(value)) or Fraction()).denominator == 1 else "is not a whole number of bytes"


def _rule(what: str, check: Callable[[str | int], str | None]) -> Rule:
    return Rule("quantity", f"a quantity of Kubernetes: {what}", check, accepts=(str, int), convert=str)


Quantity = Annotated[str, _rule(f"zero or more, {_EXAMPLES}", _problem)]
Cpu = Annotated[str, _rule("CPUs, such as 500m or 2", _cpu_problem)]
Memory = Annotated[str, _rule("bytes, such as 128Mi or 2G", _whole_problem)]
