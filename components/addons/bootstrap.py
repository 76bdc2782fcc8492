"""The token that lets a new kubelet ask for its first certificate."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from components.pki.cluster_pki import BootstrapToken


def bootstrap_token(token: BootstrapToken, opts: pulumi.ResourceOptions) -> k8s.core.v1.Secret:
    """The Secret as the bootstrap-token authenticator reads it.

    https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#bootstrap-token-secret-format
    """
    return k8s.core.v1.Secret(
        "bootstrap-token",
        metadata={"name": pulumi.Output.concat("bootstrap-token-", token.id), "namespace": "kube-system"},
        type="bootstrap.kubernetes.io/token",
        string_data={
            "description": "Kubelets of this cluster ask for their first client certificate with it.",
            "token-id": token.id,
            "token-secret": token.secret,
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "false",
        },
        opts=opts,
    )
