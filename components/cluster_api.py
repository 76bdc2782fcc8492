"""The Kubernetes provider of the cluster that the program makes."""

from __future__ import annotations

from datetime import timedelta

import pulumi
import pulumi_kubernetes as k8s

from components.config.rollout import API
from components.control_plane import ControlPlane


def cluster_provider(
    label: str, control_plane: ControlPlane, granted: pulumi.Resource, timeout: timedelta
) -> k8s.Provider:
    """The Kubernetes provider. No edit of the page changes its identity, because then every object would be replaced.

    The first `up` uses the name of the cluster (`label`) as the identifier. Without an identifier, a preview would show
    every object as replaced while the kubeconfig is unknown. A later change of the name does not change the identifier.
    In stacks of earlier versions, the provider has the name of the cluster: the alias adopts that provider.

    `granted` is the command after which the program has rights in the API. `timeout` is for one answer of the API.
    """
    return k8s.Provider(
        "cluster",
        kubeconfig=control_plane.kubeconfig("deployer"),
        cluster_identifier=label,
        kube_client_settings=None if timeout == API else {"timeout": int(timeout.total_seconds())},
        opts=pulumi.ResourceOptions(
            depends_on=[*control_plane.ready, granted],
            aliases=[pulumi.Alias(name=label)],
            ignore_changes=["clusterIdentifier"],
        ),
    )
