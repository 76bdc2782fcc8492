"""The people of the suite, and what the page gives them.

Not in conftest.py, which pytest loads under another name once more: passwords are random.
"""

from typing import Any

from tests.e2e.people.provider import Account, Provider
from tests.e2e.people.ways import Ways

SHOP = "shop"
ACCESS, ADMISSION = "hardway:access", "hardway:admission"
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
GROUPS = [
    {"name": "oidc:shop", "role": "edit", "namespaces": [SHOP]},
    {"name": "sso:staff", "role": "edit", "namespaces": [SHOP]},
    {"name": "robots", "role": "view", "namespaces": [SHOP]},
]
NODE = "worker-1"
"""The node of the namespace."""
TOLERATION = {"key": "example.com/team", "operator": "Equal", "value": "shop", "effect": "NoSchedule"}
PLUGINS = {"enable": ["AlwaysPullImages"]}


def access_of_page(provider: Provider, services: Ways, before: dict[str, Any]) -> dict[str, Any]:
    """The section `access`: `before`, a namespace, each way to log in, and a line for each way to a right."""
    return {
        **before,
        **services.on_page(SHOP),
        "namespaces": [
            {
                "name": SHOP,
                "podSecurity": "restricted",
                "quota": {"pods": 2, "limits.memory": "256Mi"},
                "nodeSelector": {"kubernetes.io/hostname": NODE},
                "tolerations": {"default": [TOLERATION]},
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
