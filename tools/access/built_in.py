"""The bindings that every API server makes, with the label kubernetes.io/bootstrapping=rbac-defaults.

An API server adds subjects that are missing when it starts, and never takes one away that somebody has added. So the
label says nothing about the subjects. The table is that of `bootstrappolicy` in
k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac, versions 1.36.4 and 1.37.1.
"""

from __future__ import annotations

from tools.access.rights import Right

LABEL = ("kubernetes.io/bootstrapping", "rbac-defaults")
_CONTROLLER = "system:controller:"
_LOCK = "system::leader-locking-"

_CLUSTER = {
    "cluster-admin": ("Group system:masters",),
    "system:basic-user": ("Group system:authenticated",),
    "system:cluster-trust-bundle-discovery": ("Group system:serviceaccounts",),
    "system:discovery": ("Group system:authenticated",),
    "system:kube-controller-manager": ("User system:kube-controller-manager",),
    "system:kube-dns": ("ServiceAccount kube-system:kube-dns",),
    "system:kube-scheduler": ("User system:kube-scheduler",),
    "system:monitoring": ("Group system:monitoring",),
    "system:node": (),
    "system:node-proxier": ("User system:kube-proxy",),
    "system:public-info-viewer": ("Group system:authenticated", "Group system:unauthenticated"),
    "system:service-account-issuer-discovery": ("Group system:serviceaccounts",),
    "system:volume-scheduler": ("User system:kube-scheduler",),
}
_COMPONENTS = ("User system:kube-controller-manager", "User system:kube-scheduler")
_NAMESPACED = {
    ("kube-public", "system:controller:bootstrap-signer"): ("ServiceAccount kube-system:bootstrap-signer",),
    ("kube-system", "system::extension-apiserver-authentication-reader"): _COMPONENTS,
    ("kube-system", f"{_LOCK}kube-controller-manager"): (
        "User system:kube-controller-manager",
        "ServiceAccount kube-system:kube-controller-manager",
        "ServiceAccount kube-system:leader-election-controller",
    ),
    ("kube-system", f"{_LOCK}kube-scheduler"): (
        "User system:kube-scheduler",
        "ServiceAccount kube-system:kube-scheduler",
    ),
    ("kube-system", "system:controller:bootstrap-signer"): ("ServiceAccount kube-system:bootstrap-signer",),
    ("kube-system", "system:controller:cloud-provider"): ("ServiceAccount kube-system:cloud-provider",),
    ("kube-system", "system:controller:token-cleaner"): ("ServiceAccount kube-system:token-cleaner",),
}
_ROLES = {"system::extension-apiserver-authentication-reader": "extension-apiserver-authentication-reader"}
"""The roles of bindings whose role has another name."""


def built_in_rights(namespace: str, name: str) -> frozenset[Right] | None:
    """What a binding gives if it is as an API server makes it. None if no API server makes such a binding."""
    if namespace:
        subjects = _NAMESPACED.get((namespace, name))
        role = f"Role {_ROLES.get(name, name)}"
    else:
        subjects, role = _CLUSTER.get(name), name
        # The controller-manager has an account of its own for each controller.
        if subjects is None and name.startswith(_CONTROLLER):
            subjects = (f"ServiceAccount kube-system:{name.removeprefix(_CONTROLLER)}",)
    if subjects is None:
        return None
    pairs = (subject.split(" ", 1) for subject in subjects)
    return frozenset(Right(kind, subject, role, namespace) for kind, subject in pairs)
