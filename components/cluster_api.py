"""The Kubernetes provider of the cluster that this very program makes."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from components.control_plane import ControlPlane


def cluster_provider(name: str, control_plane: ControlPlane) -> k8s.Provider:
    """A provider that is told apart by its name.

    While the cluster is not there yet its kubeconfig is unknown, and
    without a name of its own every object would look as if it had to be replaced.
    """
    return k8s.Provider(
        name,
        kubeconfig=control_plane.kubeconfig("deployer"),
        cluster_identifier=name,
        opts=pulumi.ResourceOptions(depends_on=control_plane.ready),
    )
