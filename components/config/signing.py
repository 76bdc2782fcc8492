"""`hardway:authorities.NAME[].service`: a service that signs with a key that the program does not have."""

from __future__ import annotations

import re
from typing import Annotated

from components.config.names import certificates_rule, https_problem
from components.config.pki import text_rule
from components.config.section import Rule, Section

LEAST_HEX = 32
"""The least number of hexadecimal digits of an authentication key: 128 bits."""


def _auth_key_problem(value: str) -> str | None:
    # Without \Z, a pattern would accept a newline at the end, which `pulumi config set <FILE` brings.
    if not re.fullmatch(r"([0-9A-Fa-f]{2})+", value):
        return "is not an even number of hexadecimal digits, without spaces and line ends"
    return None if len(value) >= LEAST_HEX else f"has {len(value)} hexadecimal digits"


_URL = Rule(
    "URL",
    "https://HOST[:PORT][/PATH], without user, query and fragment",
    https_problem,
    convert=lambda value: value.rstrip("/"),
    public=True,
)
_BUNDLE = certificates_rule("the service")
_AUTH_KEY = Rule(
    "authentication key",
    f"an even number of hexadecimal digits, at least {LEAST_HEX}: the `key` of the type `standard` of cfssl",
    _auth_key_problem,
    private=True,
)


_NAME = text_rule(64, public=True)


class SigningProfiles(Section):
    """The names of the profiles of the service. A profile of cfssl says usages and lifetime of certificates."""

    server: Annotated[str, _NAME] = "server"
    """For servers. Usages `digital signature` and `server auth`, and the lifetime `pki.profiles.server.lifetime`."""
    client: Annotated[str, _NAME] = "client"
    """For clients. Usages `digital signature` and `client auth`, and the lifetime `pki.profiles.client.lifetime`."""
    peer: Annotated[str, _NAME] = "peer"
    """For members of etcd. Usages `digital signature`, `server auth` and `client auth`, and the lifetime
    `pki.profiles.peer.lifetime`."""


class SigningService(Section):
    """A service with the interface of `cfssl serve`. Only `pulumi up` connects to it, to get or to renew leaves."""

    url: Annotated[str, _URL]
    """Where the service is. The program adds `/api/v1/cfssl/authsign`."""
    ca_bundle: Annotated[str, _BUNDLE]
    """The authorities that verify the server certificate of the service. No other authority is trusted for this."""
    auth_key: Annotated[str, _AUTH_KEY]
    """The key with which the program authenticates each request (HMAC with SHA-256), as a secret: `pulumi config set
    --secret --path 'hardway:authorities.etcd[0].service.authKey'`."""
    label: Annotated[str, _NAME] | None = None
    """The label of the authority, if the service has several (`multirootca`)."""
    profiles: SigningProfiles = SigningProfiles()
    """The profile of the service for each use of a leaf."""
