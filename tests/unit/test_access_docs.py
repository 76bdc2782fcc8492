"""docs/access.md: what `make access` prints for the page that the document shows, and for a binding by hand."""

import re

import yaml
from conftest import DATA

from components.config.access import Access
from tools.access.cluster import found
from tools.access.compare import compare
from tools.access.lines import lines
from tools.access.wanted import wanted

DOCUMENT = (DATA.parent.parent / "docs" / "access.md").read_text()
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}


def test_the_document_shows_what_is_printed() -> None:
    # The other pages are parts, about one key each.
    page, *_ = re.findall(r"```yaml\n(hardway:access:.*?)```", DOCUMENT, re.DOTALL)
    (shown,) = re.findall(r"\$ make access STACK=dev\n(.*?)```", DOCUMENT, re.DOTALL)
    want = wanted(Access.model_validate(yaml.safe_load(page)["hardway:access"]))
    shop = want.namespaces["shop"]
    meta = {"name": "hardway", "namespace": "shop"}
    have = found(
        [
            *(
                {
                    "kind": "RoleBinding" if place else "ClusterRoleBinding",
                    "metadata": {"name": name, "namespace": place} if place else {"name": name},
                    "roleRef": {**ROLE, "name": right.role},
                    "subjects": [{"kind": right.kind, "name": right.subject}],
                }
                for (place, name), right in want.bindings.items()
            ),
            {
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "bob"},
                "roleRef": {**ROLE, "name": "cluster-admin"},
                "subjects": [{"kind": "User", "name": "oidc:bob"}],
            },
            *({"kind": "ClusterRole", "metadata": {"name": k}, "rules": v} for k, v in want.own_roles.items()),
            {
                "kind": "Namespace",
                "metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": shop.level}},
            },
            {"kind": "ResourceQuota", "metadata": meta, "spec": {"hard": shop.quota}},
            {"kind": "LimitRange", "metadata": meta, "spec": {"limits": [{"type": "Container", **shop.limits}]}},
        ]
    )
    printed = [*lines(compare(want, have, "dev"), want, have)]
    # Three dots are in the place of what the document leaves out.
    for line in shown.rstrip().splitlines():
        start = line.removesuffix("...").rstrip()
        assert [one for one in printed if one == line or (line.endswith("...") and one.startswith(start))], line
    document, program = ([line for line in text if line[:1].isalpha()] for text in (shown.splitlines(), printed))
    assert [line for line in document if line in program] == [line for line in program if line in document]
    # No row of the tables is left out.
    rows = printed[: next(index for index, line in enumerate(printed) if line.startswith("NAMESPACE"))]
    assert [line for line in rows if line and line not in shown.splitlines()] == []
