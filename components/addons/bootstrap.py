"""The bootstrap tokens with which new kubelets request their first certificate."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.pki.bootstrap_token import BootstrapToken


def bootstrap_tokens(tokens: Mapping[str, BootstrapToken], opts: pulumi.ResourceOptions) -> dict[str, pulumi.Resource]:
    """By node, a Secret for its token, in the form that the bootstrap-token authenticator reads.

    https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#bootstrap-token-secret-format. After the
    end of a token, the API refuses the token, and the controller-manager (tokencleaner) deletes its Secret.
    """
    return {
        node: k8s.core.v1.Secret(
            f"{node}-bootstrap-token",
            metadata={"name": pulumi.Output.concat("bootstrap-token-", token.id), "namespace": "kube-system"},
            type="bootstrap.kubernetes.io/token",
            string_data={
                "description": f"The kubelet of the new node {node} asks for its first client certificate with it.",
                "token-id": token.id,
                "token-secret": token.secret,
                "expiration": token.expiration,
                "usage-bootstrap-authentication": "true",
                "usage-bootstrap-signing": "false",
            },
            opts=opts,
        )
        for node, token in tokens.items()
    }
