"""The people of the suite, and what the page gives them.

Not in conftest.py, which pytest loads under another name once more: passwords are random.
"""

from typing import Any

from tests.e2e.people.provider import Account, Provider

SHOP = "shop"
ACCESS = "hardway:access"
PEOPLE = {
    account.name: account
    for account in (
        Account("anna", ("shop",)),
        Account("paul", ("platform",)),
        Account("rita"),
        Account("lena", ("shop",)),
        Account("zoe", ("others",)),
    )
}
"""anna and lena work in the namespace of their group, paul sees the whole cluster, rita has a role of her own, and
nobody gave zoe anything."""
DORA = "dora"
"""A developer of the same namespace, with a certificate."""
TAKEN_AWAY = [{"name": "oidc:platform", "role": "view"}]
GROUPS = [{"name": "oidc:shop", "role": "edit", "namespaces": [SHOP]}]


def access_of_page(provider: Provider, before: dict[str, Any]) -> dict[str, Any]:
    """The section `access`: `before`, a namespace, an issuer, and a line for each way to a right."""
    return {
        **before,
        "namespaces": [
            {
                "name": SHOP,
                "podSecurity": "restricted",
                "quota": {"pods": 2, "limits.memory": "256Mi"},
                "limits": {"default": {"memory": "64Mi"}, "max": {"memory": "96Mi"}},
            }
        ],
        "developers": [*before["developers"], {"name": DORA, "namespace": SHOP}],
        "oidc": [provider.on_page],
        "roles": [
            {"name": "scaler", "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]}
        ],
        "groups": [*GROUPS, *TAKEN_AWAY],
        "users": [{"name": PEOPLE["rita"].user, "role": "scaler", "namespaces": [SHOP]}],
    }
