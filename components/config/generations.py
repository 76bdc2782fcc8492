"""`hardway:pki.generations`: which generations of each long-lived key are trusted, and which generation is in use.

The replacement of a key without an outage takes three steps. Each step is a change of the page and one `up`:

1. Every machine trusts the next generation.
2. The next generation is in use.
3. No machine trusts the previous generation.

So between the first and the last step one generation signs, and several generations are trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic.alias_generators import to_camel

from components.config.section import Rule, Section, whole

MOST_TRUSTED = 3
"""The largest number of generations of one key that are trusted at the same time."""

GENERATION = whole("generation", 1, 9999, public=True)
"""The number of a generation."""


def _order_problem(value: list[object]) -> str | None:
    if not 1 <= len(value) <= MOST_TRUSTED:
        return f"has {len(value)} generations"
    numbers = [number for number in value if isinstance(number, int)]
    return None if numbers == sorted(set(numbers)) else "is not in ascending order, each generation once"


_TRUSTED = Rule(
    "list",
    f"1 to {MOST_TRUSTED} generations in ascending order, such as [1, 2]",
    _order_problem,
    accepts=(list, tuple),
)


class Generations(Section):
    """The generations of one key. The first generation has the number 1. No number is used for a second key."""

    trusted: Annotated[tuple[Annotated[int, GENERATION], ...], _TRUSTED] = (1,)
    """The generations whose certificates, tokens or stored data are accepted. The program makes a key for each."""
    active: Annotated[int, GENERATION] = 1
    """The generation that signs or encrypts. One of `trusted`."""

    @property
    def is_single(self) -> bool:
        """Whether only one generation is trusted: then its certificate is the whole trust bundle."""
        return len(self.trusted) == 1

    @property
    def active_first(self) -> tuple[int, ...]:
        """All trusted generations, the active one first."""
        return (self.active, *(number for number in self.trusted if number != self.active))


SINGLE = Generations()
"""A key that has never been replaced."""


class KeyGenerations(Section):
    """The generations of every long-lived key of the cluster."""

    kubernetes: Generations = SINGLE
    """The authority of the API: API servers, kubelets, components, people."""
    etcd: Generations = SINGLE
    """The authority of etcd's members and clients."""
    front_proxy: Generations = SINGLE
    """The authority that aggregated APIs trust when an API server connects."""
    service_account: Generations = SINGLE
    """The key that signs tokens of service accounts."""
    encryption: Generations = SINGLE
    """The key that encrypts Secrets in etcd."""
    ssh: Generations = SINGLE
    """The SSH key with which the program logs in at machines that it makes. Not with the provider `existing`."""

    def on_page(self) -> Mapping[str, Generations]:
        """The generations of each key, by the name of the key on the page, such as `frontProxy`."""
        return {to_camel(name): getattr(self, name) for name in type(self).model_fields}

    def by_key(self) -> Mapping[str, Generations]:
        """The generations of each key, by the name of the key in resources and on machines, such as `front-proxy`."""
        return {name.replace("_", "-"): getattr(self, name) for name in type(self).model_fields}
