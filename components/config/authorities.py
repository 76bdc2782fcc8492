"""`hardway:authorities`: authorities that the program does not make, such as intermediates of an organisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic.alias_generators import to_camel

from components.config.generations import GENERATION
from components.config.names import certificates_problem
from components.config.section import Rule, Section, listing
from components.config.signing import SigningService

KEY_FORMS = "the text of its private key in PEM form, without a passphrase: ECDSA on P-256, P-384 or P-521, or RSA"


def _key_problem(value: str) -> str | None:
    if "ENCRYPTED" in value:
        return "is protected by a passphrase"
    is_key = value.lstrip().startswith("-----BEGIN ") and "PRIVATE KEY-----" in value and "-----END " in value
    return None if is_key else "is not a private key in PEM form"


CERTIFICATES = Rule(
    "certificates",
    "certificates in PEM form: the one of the authority, then its issuers in order, at the end the root",
    certificates_problem,
    public=True,
)
_PRIVATE_KEY = Rule("private key", KEY_FORMS, _key_problem, private=True)


class GivenAuthority(Section):
    """One generation of an authority whose key the program does not make. Either `privateKey` or `service` signs."""

    generation: Annotated[int, GENERATION]
    """The generation that this authority is. One of those that `pki.generations` trusts."""
    certificate: Annotated[str, CERTIFICATES]
    """The certificate of the authority and the certificates of its issuers, up to the root. Servers send all but the
    root, so a client that trusts the root alone accepts them. A renewed certificate for the same key may take its
    place."""
    private_key: Annotated[str, _PRIVATE_KEY] | None = None
    """The key of the authority, as a secret: `pulumi config set --secret --path
    'hardway:authorities.kubernetes[0].privateKey' <FILE`. Another key is another generation."""
    service: SigningService | None = None
    """Who signs, if the key stays outside of the state. Not for `kubernetes`, whose key signs certificates of
    kubelets on control-plane nodes."""


_GIVEN = listing("each generation once")


class Authorities(Section):
    """Generations of authorities that are given. The program makes the others."""

    kubernetes: Annotated[tuple[GivenAuthority, ...], _GIVEN] = ()
    """The authority of the API."""
    etcd: Annotated[tuple[GivenAuthority, ...], _GIVEN] = ()
    """The authority of etcd's members and clients."""
    front_proxy: Annotated[tuple[GivenAuthority, ...], _GIVEN] = ()
    """The authority that aggregated APIs trust when an API server connects."""

    def on_page(self) -> Mapping[str, tuple[GivenAuthority, ...]]:
        """The given generations of each authority, by its name on the page, such as `frontProxy`."""
        return {to_camel(name): getattr(self, name) for name in type(self).model_fields}

    def by_name(self) -> Mapping[str, Mapping[int, GivenAuthority]]:
        """The given generations of each authority by their number, by its name in resources, such as `front-proxy`."""
        return {
            name.replace("_", "-"): {given.generation: given for given in getattr(self, name)}
            for name in type(self).model_fields
        }
