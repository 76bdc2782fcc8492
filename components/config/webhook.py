"""What the services have in common that API servers ask: where they are, and who certifies them."""

from __future__ import annotations

from typing import Annotated

from components.config.names import certificates_problem
from components.config.oidc import strict_https_problem
from components.config.section import Rule, Section
from components.x509 import certificates

_URL = Rule("URL", "https://HOST[:PORT][/PATH], without user, query and fragment", strict_https_problem, public=True)
_AUTHORITIES = Rule(
    "certificates",
    "certificates in PEM form: authorities of which one has certified the service",
    certificates_problem,
    public=True,
)


class Webhook(Section):
    """A service that API servers ask, over https only. They show a client certificate of the cluster's authority."""

    url: Annotated[str, _URL]
    """Where the service is, as the machines of the control plane see it: names of Services in the cluster are not
    known there."""
    certificate_authority: Annotated[str, _AUTHORITIES]
    """The authorities that verify the service. No other authority is trusted for this."""

    @property
    def authorities(self) -> str:
        """The certificates of `certificate_authority` alone, in PEM, as Go reads them."""
        return "".join(one.pem for one in certificates(self.certificate_authority))
