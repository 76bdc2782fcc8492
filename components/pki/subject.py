"""X.509 subjects from the configured defaults (C, ST, L, O, OU) and the parts of each certificate."""

from __future__ import annotations

from collections.abc import Mapping

from components.config.pki import Subject

_SHORT = {
    "common_name": "CN",
    "organization": "O",
    "organizational_unit": "OU",
    "locality": "L",
    "province": "ST",
    "country": "C",
}


LONG = {short: long for long, short in _SHORT.items()}
"""The names of the parts in the tls provider's arguments, by their short names, such as `CN`."""

SUBJECT_PARTS = tuple(_SHORT)
"""The names of the parts of a subject in the tls provider's arguments."""


def subject_args(default: Subject, *, common_name: str, organization: str | None) -> dict[str, str]:
    """Arguments of the tls provider's subject; absent parts are left out."""
    parts = {
        "common_name": common_name,
        "organization": organization,
        "organizational_unit": default.organizational_unit,
        "locality": default.locality,
        "province": default.state,
        "country": default.country,
    }
    return {name: value for name, value in parts.items() if value}


def distinguished_name(args: Mapping[str, str]) -> str:
    """The tls provider's arguments of a subject as one line, `CN=…,O=…`, in the order of RFC 4514."""
    return ",".join(f"{short}={args[name]}" for name, short in _SHORT.items() if args.get(name))
