"""metrics-server in a cluster: a real aggregated API, https://github.com/kubernetes-sigs/metrics-server."""

import json
from typing import Any

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.pods import container

NAME, NAMESPACE = "metrics-server", "kube-system"
PATH = "/apis/metrics.k8s.io/v1beta1/nodes"
_PORT = 10250
_LABELS = {"k8s-app": NAME}
_RBAC = "rbac.authorization.k8s.io"
_AUTHORITY = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"


def install(cluster: Cluster) -> None:
    """Two pods that trust kubelets by the authority of the API, and the registration of the API."""
    for manifest in _manifests(_image(cluster)):
        cluster.kubectl.apply(manifest).ok()
    cluster.kubectl.rolled_out(NAMESPACE, NAME)
    available = ("--for=condition=Available", "--timeout=120s")
    cluster.kubectl("wait", "apiservice/v1beta1.metrics.k8s.io", *available, timeout=150).ok()


def _image(cluster: Cluster) -> str:
    images = json.loads((cluster.stack.clone.cache / "artifacts.lock.json").read_text())["images"]
    (entry,) = images[NAME].values()
    return f"{entry['reference']}@{entry['digest']}"


def _manifests(image: str) -> list[dict[str, Any]]:
    meta = {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS}
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]
    rules = [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": f"system:{NAME}"}, "rules": rules},
        _binding("ClusterRoleBinding", f"system:{NAME}", "ClusterRole", f"system:{NAME}", subjects),
        _binding("ClusterRoleBinding", f"{NAME}:delegator", "ClusterRole", "system:auth-delegator", subjects),
        _binding("RoleBinding", f"{NAME}-reader", "Role", "extension-apiserver-authentication-reader", subjects),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": _LABELS, "ports": [{"port": 443, "targetPort": _PORT}]},
        },
        _deployment(meta, image),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "service": {"name": NAME, "namespace": NAMESPACE},
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                # Its serving certificate is its own, as in the manifests of the project.
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def _binding(kind: str, name: str, role_kind: str, role: str, subjects: list[dict[str, str]]) -> dict[str, Any]:
    place = {"namespace": NAMESPACE} if kind == "RoleBinding" else {}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **place},
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": role},
        "subjects": subjects,
    }


def _deployment(meta: dict[str, Any], image: str) -> dict[str, Any]:
    main = container(
        image,
        "--cert-dir=/tmp",
        f"--secure-port={_PORT}",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
        f"--kubelet-certificate-authority={_AUTHORITY}",
        "--metric-resolution=15s",
        readinessProbe={"httpGet": {"path": "/readyz", "port": _PORT, "scheme": "HTTPS"}, "periodSeconds": 2},
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],
        # API servers send no new request to a pod that ends, before the pod ends.
        lifecycle={"preStop": {"sleep": {"seconds": 5}}},
    )
    spec = {"serviceAccountName": NAME, "containers": [main], "volumes": [{"name": "tmp", "emptyDir": {}}]}
    # As the manifests for high availability of the project. If both pods were on one node, then the API would be gone
    # whenever the kubelet of this node reports for a moment that the node is not ready.
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": _LABELS},
        "matchLabelKeys": ["pod-template-hash"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": 2,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": _LABELS},
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    **spec,
                    "topologySpreadConstraints": [spread],
                },
            },
        },
    }
