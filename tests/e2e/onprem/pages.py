"""Pages for the hosts of a site: the layout of `Pulumi.onprem.yaml`, and three masters behind a virtual address."""

from collections.abc import Iterable, Mapping
from typing import Any

from components.machines.gateway import REGISTRIES
from tests.e2e.onprem import image
from tests.e2e.onprem.site import BASTION, SECURE_FILES_PORT, SECURE_REGISTRY_PORT, Site
from tests.e2e.support.stack import laptop_page

NODES = ("linux-node1", "linux-node2", "linux-node3")
Page = dict[str, Any]


def study(place: Site) -> Page:
    """As `Pulumi.onprem.yaml`: etcd on all, the control plane on the first, workloads on the others."""
    return page_of(place, "study", [["etcd", "control-plane"], ["etcd", "worker"], ["etcd", "worker"]])


def three_masters(place: Site) -> Page:
    """All roles on each of the three hosts, with a virtual address."""
    page = page_of(place, "masters", [["etcd", "control-plane", "worker"]] * 3)
    return with_machines(page, vip={"address": place.virtual_address}, removeData=True)


def with_machines(page: Page, **changes: Any) -> Page:
    """The page with other values in `hardway:machines`."""
    return page | {"hardway:machines": page["hardway:machines"] | changes}


def with_ssh(page: Page, changes: Mapping[str, Mapping[str, Any]]) -> Page:
    """The page with other values in `ssh` of some nodes."""
    nodes = [node | {"ssh": node["ssh"] | changes.get(node["name"], {})} for node in page["hardway:nodes"]]
    return page | {"hardway:nodes": nodes}


def page_of(place: Site, cluster: str, roles: Iterable[list[str]]) -> Page:
    """A page for the hosts of a site, whose roles are those of `roles`."""
    laptop = laptop_page(cluster)
    return {
        "hardway:cluster": {"name": cluster},
        "hardway:machines": {
            "provider": "existing",
            "user": image.USER,
            "privateKeyFile": str(place.key_file),
            "bastion": {"host": "127.0.0.1", "port": place.bastion_port, "hostKey": place.keys[BASTION].public},
            "endpoint": {"host": "127.0.0.1", "port": place.api_port},
            # The hosts are containers on this host.
            "containers": True,
        },
        "hardway:nodes": [
            {"name": name, "roles": own, "address": place.address(name), "ssh": {"hostKey": place.keys[name].public}}
            for name, own in zip(place.names, roles, strict=True)
        ],
        # The tests of local clusters need these: a node port, a developer, no name servers outside.
        **{key: laptop[key] for key in ("hardway:network", "hardway:dns", "hardway:access")},
        "hardway:artifacts": {
            "source": "mirror",
            "mirror": f"https://{place.mirror}:{SECURE_FILES_PORT}",
            "registryMirrors": dict.fromkeys(REGISTRIES, f"https://{place.mirror}:{SECURE_REGISTRY_PORT}"),
            "certificateAuthority": place.mirror_authority.chain,
        },
    }
