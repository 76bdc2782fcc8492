"""Values that a running cluster cannot change: the first `up` records them in the state, every later run compares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pulumi
from pulumi.runtime.sync_await import _sync_await

from components.config import ConfigError, Page
from components.config.aws import AwsSection
from components.config.changes import refused_changes
from components.config.errors import HIDDEN, NAMESPACE
from components.config.machines import LocalSection
from components.topology import Topology

WAY_OUT = (
    "the value that the cluster was made with. For another value make another stack beside this one and move the "
    "workloads; if this cluster has never worked, remove it (`make down`) and make it again"
)
_UNSET = "unset"


def fixed_values(page: Page, topology: Topology) -> dict[str, str]:
    """The fixed values by path, as text. If the page does not set a value, then the value that was chosen counts."""
    network, etcd, machines = page.network, page.etcd, page.machines
    values = {
        "cluster.domain": page.cluster.domain,
        "machines.provider": machines.provider,
        "network.podCidr": network.pod_cidr,
        "network.nodeCidrMaskSize": str(network.node_cidr_mask_size),
        "network.serviceCidr": network.service_cidr,
        "etcd.dataDir": etcd.data_dir,
        "etcd.walDir": etcd.wal_dir or _UNSET,
        "api.port": str(page.api.port),
    }
    if isinstance(machines, LocalSection):
        # The first port of a local network leads to the API.
        port_base = str(topology.endpoint_port)
        subnet = topology.subnet or _UNSET
        values |= {"machines.engine": machines.engine, "machines.subnet": subnet, "machines.portBase": port_base}
    if isinstance(machines, AwsSection):
        values |= {
            # Names and tags of resources in AWS contain the name, and some of these cannot change.
            "cluster.name": page.cluster.name,
            "machines.region": machines.region,
            "machines.network.cidr": machines.network.cidr or _UNSET,
            "machines.network.vpc.id": machines.network.vpc.id if machines.network.vpc else _UNSET,
        }
    return values


def refuse_changes(values: Mapping[str, str]) -> None:
    """Compare `values` with the values that the first `up` recorded. Raises pulumi.RunError before anything is changed.

    A preview raises it as well. The record is a Stash, whose output always is its first input. Values that are secret
    on the page are recorded as digests.
    """
    values = {path: _digest(value) if _is_secret(path) else value for path, value in values.items()}
    record = pulumi.Stash("fixed-values", input=values)
    # Waits for the engine, because nothing else may be registered before the values were compared.
    first = _sync_await(record.output.future())
    if isinstance(first, Mapping) and (found := refused_changes(first, values, WAY_OUT)):
        raise pulumi.RunError(str(ConfigError(found)))


def _is_secret(path: str) -> bool:
    return pulumi.runtime.is_config_secret(f"{NAMESPACE}:{path.partition('.')[0]}")


def _digest(value: str) -> str:
    return f"{HIDDEN} {hashlib.sha256(value.encode()).hexdigest()[:12]}"
