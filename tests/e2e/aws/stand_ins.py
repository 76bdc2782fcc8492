"""Containers on this host that simulate the instances of the simulated account, and one that is the load balancer.

As in AWS, a machine boots for each new instance, with the address and the user data of the instance, which the real
cloud-init applies. The machine of a terminated instance is removed. Two ports on 127.0.0.1 are published: of the
bastion and of the load balancer.
"""

import contextlib
import ipaddress
import re
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.config import load
from components.config.aws import AwsSection
from components.config.aws_places import front_subnets
from components.machines.aws_site import AwsSite
from components.machines.gateway import API_PORT as INSIDE
from components.machines.gateway import REGISTRIES, gateway_files
from components.machines.host_facts import HostFacts, read_host_facts
from components.machines.local_network import LocalNetwork, choose, keep
from components.machines.mirror_server import REGISTRY_PORT
from components.node.payload import Entry, pack
from tests.e2e.aws import image
from tests.e2e.aws.account import REGION, Account
from tests.e2e.support import local_script
from tests.e2e.support.machines import Machine
from tests.e2e.support.stack import laptop_page
from tools.common.paths import Clone
from tools.common.store import remove_tree

BASTION, FRONT = "bastion", "front"
NODES = ("cp-1", "cp-2", "cp-3", "worker-1", "worker-2")
_SEED = "etc/cloud/cloud.cfg.d/91-instance.cfg"
# The unit that waits for the disk and makes its file system. The image mounts a folder in the place of the disk.
_DISK = "etc/systemd/system/systemd-makefs@dev-disk-by\\x2did-nvme\\x2d{}.service"
_NETWORKS = ipaddress.IPv4Network("10.128.0.0/12")
_AT_ONCE = 3


@dataclass
class StandIns:
    """The machines of an account. They follow the account until the block of `stand_ins` ends."""

    name: str
    account: Account
    clone: Clone
    lab: LocalNetwork
    facts: HostFacts
    _running: dict[str, str] = field(default_factory=dict)
    """The ids of instances that have a machine, by node name."""

    @property
    def network(self) -> str:
        """A free network for the VPC: the local network of a stack is too small for a VPC."""
        number = int(self.lab.subnet.split(".")[2])
        return str(list(_NETWORKS.subnets(new_prefix=20))[number])

    @property
    def front(self) -> str:
        """The address of the load balancer and mirror: an address that AWS reserves in every subnet."""
        machines = AwsSection.model_validate({"region": REGION, "network": {"cidr": self.network}})
        return str(ipaddress.IPv4Network(front_subnets(machines)["a"])[2])

    @property
    def log(self) -> Path:
        """The log of errors."""
        return self.clone.cache / "e2e" / f"{self.name}-stand-ins.log"

    def machine(self, name: str) -> Machine:
        """The machine of an existing instance."""
        address = self.account.instances()[name]["PrivateIpAddress"]
        return Machine(name, address, f"{self.lab.name}-{name}", tuple(self.facts.engine))

    def page(self, image_parameter: str) -> dict[str, Any]:
        """The page of the local cluster with machines in AWS. The published ports are free ports of this host."""
        page = {key.removeprefix("hardway:"): value for key, value in laptop_page("cloud").items()}
        return page | {
            "machines": {
                "provider": "aws",
                "region": REGION,
                "network": {"cidr": self.network},
                "endpoint": {"public": True, "clients": ["203.0.113.0/24"]},
                "bastion": {"clients": ["203.0.113.0/24"], "port": self.lab.ssh_port(BASTION)},
                "image": image_parameter,
                "protected": False,
            },
            "api": {"port": self.lab.port_base},
            "etcd": {"dataDir": "/var/lib/etcd/data"},
            "artifacts": {
                "source": "mirror",
                "mirror": f"http://{self.front}",
                "registryMirrors": dict.fromkeys(REGISTRIES, f"http://{self.front}:{REGISTRY_PORT}"),
            },
        }

    def watch(self, over: threading.Event) -> None:
        """Make and remove machines for the instances of the account, until the block ends."""
        while not over.wait(0.5):
            try:
                self._settle()
            except Exception:
                with self.log.open("a") as log:
                    traceback.print_exc(file=log)

    def _settle(self) -> None:
        there = self.account.instances()
        gone = [n for n, i in self._running.items() if n not in there or there[n]["InstanceId"] != i]
        with ThreadPoolExecutor(_AT_ONCE) as several:
            list(several.map(self._remove, gone))
            new = [name for name in there if name not in self._running]
            list(several.map(lambda name: self._boot(name, there[name]), new))

    def _remove(self, name: str) -> None:
        self.call("remove-machine", name)
        del self._running[name]

    def assert_none(self) -> None:
        """There are no machines, because there are no instances."""
        assert not self._running, self._running

    def _boot(self, name: str, instance: dict[str, Any]) -> None:
        files = first_boot(name, instance["InstanceId"], self.account.user_data(instance))
        port = self.lab.ssh_port(BASTION)
        published = f"{port}:{port}" if name == BASTION else ""
        about = {"IMAGE": image.ensure(list(self.facts.engine)), "MIRROR": ""}
        self.call("machine", name, instance["PrivateIpAddress"], published, stdin=pack(files), **about)
        self._running[name] = instance["InstanceId"]

    def call(self, action: str, *arguments: str, stdin: str = "", **environment: str) -> None:
        """Run local.sh, which makes and removes networks and machines."""
        local_script.call(self.clone, self.facts.engine, [action, self.lab.name, *arguments], stdin, **environment)

    def begin(self, page: dict[str, Any]) -> None:
        """Make the network and the machine that exists before all instances: load balancer and mirror."""
        self.call("network", self.network, str(ipaddress.IPv4Network(self.network)[1]))
        loaded = load(page)
        assert isinstance(loaded.machines, AwsSection)
        topology = AwsSite(loaded, loaded.machines, self.name).topology(loaded)
        about = {"IMAGE": self.facts.node_image, "MIRROR": self.facts.mirror}
        ports = f"{self.lab.port_base}:{INSIDE}"
        self.call("machine", FRONT, self.front, ports, stdin=pack(gateway_files(topology)), **about)

    def remove(self) -> None:
        """Remove the network and all machines."""
        for name in (*NODES, BASTION, FRONT):
            self.call("remove-machine", name)
        self.call("remove-network", self.network)


def first_boot(name: str, instance: str, user_data: str) -> list[Entry]:
    """Files with the answers of AWS' metadata service to cloud-init, and units that simulate a ready data volume."""
    meta = {"instance-id": instance, "local-hostname": name}
    seed = {"datasource": {"NoCloud": {"user-data": user_data, "meta-data": meta}}, "locale": False}
    files = [Entry(_SEED, yaml.safe_dump(seed), 0o600)]
    if disk := re.search(r"/dev/disk/by-id/nvme-(\w+)", user_data):
        files.append(Entry(_DISK.format(disk[1]), "[Service]\nType=oneshot\nExecStart=/bin/true\n"))
    return files


@contextlib.contextmanager
def standing_in(clone: Clone, name: str, account: Account) -> Iterator[StandIns]:
    """Simulate the instances of the account until the end of the block. Then everything is removed."""
    facts = read_host_facts(clone.cache / "local.json", "auto")
    image.ensure(list(facts.engine))
    lab = keep(clone.state / name, choose(clone.state / name, name, name, dict.fromkeys([*NODES, BASTION, FRONT])))
    machines = StandIns(name, account, clone, lab, facts)
    machines.log.unlink(missing_ok=True)
    over = threading.Event()
    watcher = threading.Thread(target=machines.watch, args=[over], name="stand-ins")
    machines.remove()
    watcher.start()
    try:
        yield machines
    finally:
        over.set()
        watcher.join()
        machines.remove()
        remove_tree(clone.state / name)
