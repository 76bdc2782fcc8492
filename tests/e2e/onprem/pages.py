"""Pages for the hosts of a site: the layout of the study notes, and three masters behind a virtual address."""

from collections.abc import Iterable, Mapping
from typing import Any

from components.machines.gateway import REGISTRIES, REGISTRY_PORT
from tests.e2e.onprem import image
from tests.e2e.onprem.site import BASTION, Site
from tests.e2e.support.stack import laptop_page

NODES = ("linux-node1", "linux-node2", "linux-node3")
Page = dict[str, Any]


def study(place: Site) -> Page:
    """As `Pulumi.onprem.yaml`: etcd on all, the control plane on the first, workloads on the others."""
    return _page(place, "study", [["etcd", "control-plane"], ["etcd", "worker"], ["etcd", "worker"]])


def three_masters(place: Site) -> Page:
    """Everything on each of the three hosts, with a virtual address that one of them has."""
    page = _page(place, "masters", [["etcd", "control-plane", "worker"]] * 3)
    return with_machines(page, vip={"address": place.virtual_address}, removeData=True)


def with_machines(page: Page, **changes: Any) -> Page:
    """The page with other values in its section of the machines."""
    return page | {"hardway:machines": page["hardway:machines"] | changes}


def with_ssh(page: Page, changes: Mapping[str, Mapping[str, Any]]) -> Page:
    """The page with other values in `ssh` of some nodes."""
    nodes = [node | {"ssh": node["ssh"] | changes.get(node["name"], {})} for node in page["hardway:nodes"]]
    return page | {"hardway:nodes": nodes}


def _page(place: Site, cluster: str, roles: Iterable[list[str]]) -> Page:
    laptop = laptop_page(cluster)
    return {
        "hardway:cluster": {"name": cluster},
        "hardway:machines": {
            "provider": "existing",
            "user": image.USER,
            "privateKeyFile": str(place.key_file),
            "bastion": {"host": "127.0.0.1", "port": place.bastion_port, "hostKey": place.keys[BASTION].public},
            "endpoint": {"host": "127.0.0.1", "port": place.api_port},
            # They are containers on this host.
            "containers": True,
        },
        "hardway:nodes": [
            {"name": name, "roles": own, "address": place.address(name), "ssh": {"hostKey": place.keys[name].public}}
            for name, own in zip(place.names, roles, strict=True)
        ],
        # What the tests of local clusters ask for: a node port, a developer, no names of the world outside.
        **{key: laptop[key] for key in ("hardway:network", "hardway:dns", "hardway:access")},
        "hardway:artifacts": {
            "mirror": f"http://{place.mirror}",
            "registryMirrors": dict.fromkeys(REGISTRIES, f"http://{place.mirror}:{REGISTRY_PORT}"),
        },
    }
