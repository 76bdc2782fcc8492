"""An API server with every way to log in of the page, and the services that it asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from rendered_server import Rendered, prepared, rendered_server
from reviewer import Review, Reviewer

from components.config.authorization import MOST_CONDITIONS

CI, CD = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e", "V2hhdCBhIHJhbmRvbSB0b2tlbg-._~+/"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
RBAC = {"apiGroup": "rbac.authorization.k8s.io"}
SECRETS = "/api/v1/namespaces/kube-system/secrets"
PODS = "/api/v1/namespaces/shop/pods"
CACHED_SECONDS = 2
MANY = [f"request.user != 'nobody-{number}'" for number in range(MOST_CONDITIONS)]
"""As many conditions as a page may have. API servers get those of hardway as well."""
KEPT_SECONDS = 10
"""How long an API server keeps what it knows of any token (TokenSuccessCacheTTL of k8s.io/kubernetes)."""
DOWN_SECONDS = 15
"""The longest time until a request is refused whose service does not answer: five attempts, with pauses of 500 ms and
half as much again (DefaultAuthWebhookRetryBackoff in k8s.io/apiserver/pkg/server/options)."""


@dataclass
class World:
    """An API server, and the two services that it asks."""

    rendered: Rendered
    tokens: Reviewer
    rights: Reviewer
    known: dict[str, Review] = field(default_factory=dict)
    """Users by token, for the service that knows tokens."""

    def decide_token(self, spec: Review) -> Review:
        """The status of a TokenReview."""
        user = self.known.get(spec["token"])
        return {"authenticated": user is not None, **({"user": user} if user else {})}

    def bind(self, name: str, role: str, kind: str, subject: str) -> None:
        """Give a role in the whole cluster."""
        self.rendered.server.ask(
            "POST",
            BINDINGS,
            {
                "metadata": {"name": name},
                "roleRef": {**RBAC, "kind": "ClusterRole", "name": role},
                "subjects": [{**RBAC, "kind": kind, "name": subject}],
            },
        )


def allow_bob(spec: Review) -> Review:
    """The status of a SubjectAccessReview: `corp:bob` may list pods."""
    resource = spec.get("resourceAttributes", {})
    return {"allowed": spec["user"] == "corp:bob" and resource.get("resource") == "pods"}


VERSIONS = ["1.37.1 NoOpinion", "1.37.1 Deny", pytest.param("1.36.4 NoOpinion", marks=pytest.mark.long)]
"""A version of Kubernetes, and `failurePolicy` of the service for authorization."""


@contextmanager
def logins_world(param: str, temporary: pytest.TempPathFactory) -> Iterator[World]:
    """The server of a version, with the behaviour if the service for authorization does not answer."""
    version, policy = param.split()
    folder = temporary.mktemp("api")
    rendered = prepared(folder, version)
    tokens = Reviewer(folder, rendered.server.clients, lambda spec: made.decide_token(spec))
    rights = Reviewer(folder, rendered.server.clients, allow_bob)
    made = World(rendered, tokens, rights)
    access = {
        "access.proxy": {
            "names": ["login"],
            "prefix": "sso:",
            "usernameHeaders": ["X-Forwarded-User"],
            "groupHeaders": ["X-Forwarded-Groups"],
        },
        "access.tokens": [{"name": "ci", "groups": ["robots", "builders"], "token": CI}, {"name": "cd", "token": CD}],
        "access.tokenWebhook": tokens.on_page(prefix="corp:", cacheTtl=f"{CACHED_SECONDS}s"),
        "access.authorizationWebhook": rights.on_page(
            failurePolicy=policy, timeout="1s", authorizedTtl="1s", unauthorizedTtl="1s", matchConditions=MANY
        ),
    }
    try:
        tokens.start()
        rights.start()
        with rendered_server(rendered, access):
            made.bind("admins", "cluster-admin", "Group", "hardway:cluster-admins")
            made.bind("robots", "system:node-proxier", "Group", "robots")
            yield made
    finally:
        tokens.stop()
        rights.stop()
