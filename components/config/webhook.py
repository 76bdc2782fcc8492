"""What the services have in common that API servers ask: where they are, and who certifies them."""

from __future__ import annotations

from typing import Annotated

from components.config.names import certificates_rule
from components.config.oidc import strict_https_problem
from components.config.section import Rule, Section
from components.x509 import certificates_alone

_URL = Rule("URL", "https://HOST[:PORT][/PATH], without user, query and fragment", strict_https_problem, public=True)
_AUTHORITIES = certificates_rule("the service")


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
        return certificates_alone(self.certificate_authority)
