"""Compares given authorities with those of the last `up`: an existing generation never gets another key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.config.errors import Finding
from components.config.generations import KeyGenerations
from components.config.page import Page
from components.x509 import certificates

Identities = Mapping[str, Mapping[str, str]]
"""The identity of each given generation, by the name of the authority on the page and the number as text."""


def given_identities(page: Page) -> dict[str, dict[str, str]]:
    """The identities of the authorities that the page gives. A renewed certificate for the same key keeps its own."""
    found = {
        name: {str(one.generation): certificates(one.certificate)[0].identity for one in listed}
        for name, listed in page.authorities.on_page().items()
    }
    return {name: identities for name, identities in found.items() if identities}


def refused_authorities(trusted: KeyGenerations, before: Identities, page: Page) -> list[Finding]:
    """A finding for each generation in `trusted` whose key is another one on the page.

    `trusted` are the generations of the last complete `up`; `before` is the result of `given_identities` then.
    """
    now = given_identities(page)
    return [
        finding
        for name in page.authorities.on_page()
        for number in trusted.on_page()[name].trusted
        if number in page.pki.generations.on_page()[name].trusted
        for finding in _refused(
            page, name, number, before.get(name, {}).get(str(number)), now.get(name, {}).get(str(number))
        )
    ]


def _refused(page: Page, name: str, number: int, before: str | None, now: str | None) -> Iterator[Finding]:
    path = f"authorities.{name}"
    index = next((at for at, one in enumerate(page.authorities.on_page()[name]) if one.generation == number), 0)
    next_one = max(page.pki.generations.on_page()[name].trusted) + 1
    another = f"another generation for another key, such as {next_one}: a rotation"
    if before == now:
        return
    if before is None:
        yield Finding(f"{path}[{index}].generation", f"the program has made the key of generation {number}", another)
    elif now is None:
        problem = f"the key of generation {number} was given, and is no longer on the page"
        yield Finding(path, problem, f"the same certificate and key, as long as generation {number} is trusted")
    else:
        problem = f"has another key, subject or key identifier than generation {number} in the last complete `up`"
        allowed = f"a renewed certificate with all three the same; {another}"
        yield Finding(f"{path}[{index}].certificate", problem, allowed)
