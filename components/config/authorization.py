"""`hardway:access.authorizationWebhook`: a service that may allow what neither Node nor RBAC allows.

The names are those of AuthorizationConfiguration (apiserver.config.k8s.io/v1):
https://kubernetes.io/docs/reference/access-authn-authz/authorization/#using-configuration-file-for-authorization.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from components.config.durations import between_rule, span_rule
from components.config.oidc import EXPRESSION_RULE
from components.config.section import Choice, listing
from components.config.webhook import Webhook

MOST_CONDITIONS = 50
"""`compileMatchConditions` in k8s.io/apiserver/pkg/apis/apiserver/validation accepts 64, with those of hardway."""
_TTL = span_rule("1s", "5m or 30s", "s, m or h")


class AuthorizationWebhook(Webhook):
    """A service that API servers ask about people, after Node and RBAC. It can allow, and take nothing away."""

    failure_policy: Annotated[Literal["NoOpinion", "Deny"], Choice()] = "NoOpinion"
    """What an API server concludes if the service does not answer. With both, the request fails with status 500: nobody
    is asked after the service."""
    timeout: Annotated[timedelta, between_rule("1s", "30s")] = timedelta(seconds=3)
    """How long an API server waits for one answer."""
    authorized_ttl: Annotated[timedelta, _TTL] = timedelta(minutes=5)
    """How long API servers keep an answer that allows."""
    unauthorized_ttl: Annotated[timedelta, _TTL] = timedelta(seconds=30)
    """How long API servers keep an answer that does not allow."""
    match_conditions: Annotated[
        tuple[Annotated[str, EXPRESSION_RULE], ...], listing(f"at most {MOST_CONDITIONS}", most=MOST_CONDITIONS)
    ] = ()
    """Expressions of CEL over `request`, a SubjectAccessReview. The service is asked only if all are true, such as
    `has(request.resourceAttributes) && request.resourceAttributes.namespace == 'shop'`. It is never asked about
    `system:` and `hardway:` users, members of `system:masters`, `system:nodes`, and the administrators."""
