"""X.509 subjects from the configured defaults (C, ST, L, O, OU) and what a certificate needs of its own."""

from __future__ import annotations

from components.config.pki import Subject

_SHORT = {
    "common_name": "CN",
    "organization": "O",
    "organizational_unit": "OU",
    "locality": "L",
    "province": "ST",
    "country": "C",
}


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


def subject_text(default: Subject, *, common_name: str, organization: str | None) -> str:
    """The subject as one line, `CN=…,O=…`, in the order of RFC 4514."""
    args = subject_args(default, common_name=common_name, organization=organization)
    return ",".join(f"{short}={args[name]}" for name, short in _SHORT.items() if name in args)
