"""Existing hosts, which the suite makes, not the stack.

They are plain hosts in a closed network with a mirror (programs, images, Debian packages) and a bastion. Two ports on
127.0.0.1 of this host are published: the SSH server of the bastion, and the API through the container of the mirror.
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509

from components.machines.gateway import mirror_files, unit
from components.machines.host_facts import HostFacts, read_host_facts
from components.machines.local_network import LocalNetwork, choose, keep
from components.machines.mirror_server import files_server, nginx_config, registry_server
from components.node.payload import Entry, pack
from tests.authorities import Made, make
from tests.e2e.onprem import image
from tests.e2e.support import local_script
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.wait import eventually
from tools.common.paths import Clone
from tools.common.store import remove_tree

MIRROR, BASTION = "mirror", "bastion"
API_PORT = 6443
SECURE_FILES_PORT, SECURE_REGISTRY_PORT = 443, 5443
"""Ports of the mirror over https, with a certificate of `Site.mirror_authority`. The usual ports are there as well."""
PACKAGES_PORT = 8080
"""Port of the mirror with the repository of Debian packages."""
VIRTUAL, FREE = 240, 241
"""Host numbers: of the virtual address, and a free one."""


@dataclass(frozen=True)
class KeyPair:
    """An SSH key pair: the private key as text, the public key as `TYPE BASE64`."""

    private: str
    public: str


@dataclass
class Site:
    """The site. `hosts` are the machines by node name, used as root through the container engine."""

    lab: LocalNetwork
    facts: HostFacts
    clone: Clone
    names: tuple[str, ...]
    operator: KeyPair
    keys: Mapping[str, KeyPair]
    folder: Path
    mirror_authority: Made = field(default_factory=lambda: make("CN=authority of the mirror"))
    """No host trusts this authority by itself."""
    hosts: dict[str, Machine] = field(default_factory=dict)

    @property
    def key_file(self) -> Path:
        """The operator's private key."""
        return self.folder / "operator"

    @property
    def bastion_port(self) -> int:
        """Port on 127.0.0.1 of the bastion's SSH server."""
        return self.lab.ssh_port(BASTION)

    @property
    def api_port(self) -> int:
        """Port on 127.0.0.1 that leads to the API."""
        return self.lab.port_base

    @property
    def virtual_address(self) -> str:
        """A free address of the network."""
        return self.address_at(VIRTUAL)

    @property
    def mirror(self) -> str:
        """Address of the mirror."""
        return self.address(MIRROR)

    def address(self, name: str) -> str:
        """The address of a host, of the bastion or of the mirror."""
        return self.address_at(self.lab.hosts[name])

    def address_at(self, number: int) -> str:
        """The address with a host number."""
        return f"{self.lab.subnet.rpartition('.')[0]}.{number}"

    def call(self, action: str, *arguments: str, stdin: str = "", **environment: str) -> None:
        """Run local.sh, which makes and removes networks and machines."""
        local_script.call(self.clone, self.facts.engine, [action, self.lab.name, *arguments], stdin, **environment)

    def container(self, name: str) -> Machine:
        """A machine of the site."""
        return Machine(name, self.address(name), f"{self.lab.name}-{name}", self.facts.engine)

    def forward_api(self, target: str) -> None:
        """Let the published port of the API lead to `target`, ADDRESS:PORT in the network."""
        self.container(MIRROR).run("cat >/etc/lab-api.cfg", stdin=_FORWARD.format(port=API_PORT, target=target)).ok()
        self.container(MIRROR).run("systemctl restart lab-api.service").ok()


_FORWARD = """\
defaults
  mode tcp
  timeout connect 1s
  timeout client 10m
  timeout server 10m
listen api
  bind *:{port}
  server api {target}
"""
_DEBIAN = """\
daemon off;
error_log stderr;
pid /run/nginx-debian.pid;
events {}
http {
  access_log off;
  server {
    listen {port};
    root /srv;
    location /debian/ { }
  }
}
"""


@contextlib.contextmanager
def site(clone: Clone, stack: str, names: Sequence[str], say: Say) -> Iterator[Site]:
    """The running site. `names` are the names of its hosts. Everything is removed at the end."""
    facts = read_host_facts(clone.cache / "local.json", "auto")
    plain = image.ensure(list(facts.engine))
    lab = keep(clone.state / stack, choose(clone.state / stack, stack, stack, dict.fromkeys([*names, BASTION, MIRROR])))
    with TemporaryDirectory(prefix="hardway-e2e-") as folder:
        keys = {name: key_pair(Path(folder), name) for name in (*names, BASTION)}
        place = Site(lab, facts, clone, tuple(names), key_pair(Path(folder), "operator"), keys, Path(folder))
        try:
            say(f"{len(names)} plain hosts, a bastion and a mirror in {lab.subnet}")
            _start(place, plain)
            yield place
        finally:
            for name in (*names, BASTION, MIRROR):
                place.call("remove-machine", name)
            place.call("remove-network", lab.subnet)
            remove_tree(clone.state / stack)


def start_mirror(place: Site, packages: Path, ports: Mapping[int, int], *more: Entry) -> None:
    """Make the network, and in it the mirror of programs, images and a repository of Debian packages.

    `ports` maps ports on 127.0.0.1 to ports of the mirror. `more` are further files of the mirror's machine.
    """
    place.call("network", place.lab.subnet, place.address_at(1))
    served = [
        *mirror_files(),
        Entry("etc/nginx/debian.conf", _DEBIAN.replace("{port}", str(PACKAGES_PORT))),
        *unit("lab-debian.service", "/usr/sbin/nginx -c /etc/nginx/debian.conf"),
        *more,
    ]
    published = " ".join(f"{here}:{there}" for here, there in ports.items())
    about = {"IMAGE": place.facts.node_image, "MIRROR": place.facts.mirror}
    place.call("machine", MIRROR, place.mirror, published, stdin=pack(served), **about)
    ask([*place.facts.engine, "cp", f"{packages}/.", f"{place.lab.name}-{MIRROR}:/srv/debian"]).ok()


def _start(place: Site, plain: image.HostImage) -> None:
    facts = place.facts
    more = [
        *_secure_mirror(place),
        Entry("etc/lab-api.cfg", _FORWARD.format(port=API_PORT, target=f"{place.address(place.names[0])}:{API_PORT}")),
        *unit("lab-api.service", "/usr/sbin/haproxy -Ws -f /etc/lab-api.cfg", "Type=notify"),
    ]
    start_mirror(place, plain.packages, {place.api_port: API_PORT}, *more)
    login = Entry("root/.ssh/authorized_keys", f"{place.operator.public}\n", 0o600)
    _machine(place, BASTION, facts.node_image, f"{place.bastion_port}:22", [login])
    for name in place.names:
        _machine(
            place,
            name,
            plain.reference,
            "",
            [
                Entry(f"home/{image.USER}/.ssh/authorized_keys", f"{place.operator.public}\n"),
                Entry("etc/apt/sources.list", packages_from(place.mirror)),
            ],
        )
        place.hosts[name] = place.container(name)
    for machine in (place.container(BASTION), *place.hosts.values()):
        up = partial(machine.run, "systemctl is-active ssh.service")
        eventually(lambda up=up: up().ok(), 60, f"{machine.name} boots")  # type: ignore[misc]


def packages_from(mirror: str) -> str:
    """The sources of apt that name the mirror's repository only."""
    return f"deb [trusted=yes] http://{mirror}:{PACKAGES_PORT}/debian ./\n"


def _secure_mirror(place: Site) -> tuple[Entry, ...]:
    name = x509.SubjectAlternativeName([x509.IPAddress(ip_address(place.mirror))])
    leaf = make("CN=mirror", place.mirror_authority, authority=False, signs=False, more=[name])
    root, folder = "/srv/mirror", "etc/nginx/secure"
    servers = (files_server(root, SECURE_FILES_PORT), registry_server(root, SECURE_REGISTRY_PORT))
    keys = f"ssl;\n    ssl_certificate /{folder}/leaf.pem;\n    ssl_certificate_key /{folder}/leaf.key;\n"
    tls = (re.sub(r"(listen \d+);\n", rf"\1 {keys}", server) for server in servers)
    return (
        Entry(f"{folder}/leaf.pem", leaf.chain),
        Entry(f"{folder}/leaf.key", leaf.private, 0o600),
        Entry(f"{folder}/nginx.conf", nginx_config("/run/nginx-secure.pid", *tls, user="root")),
        *unit("lab-secure-mirror.service", f"/usr/sbin/nginx -c /{folder}/nginx.conf"),
    )


def _machine(place: Site, name: str, reference: str, ports: str, entries: Sequence[Entry]) -> None:
    """Make a machine with the SSH host key of its name."""
    key = Entry("etc/ssh/ssh_host_ed25519_key", place.keys[name].private, 0o600)
    place.call("machine", name, place.address(name), ports, stdin=pack([key, *entries]), IMAGE=reference, MIRROR="")


def key_pair(folder: Path, name: str) -> KeyPair:
    """A new key pair. The private key is also in a file of this name in the folder."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    public = path.with_name(f"{name}.pub").read_text().strip()
    return KeyPair(path.read_text(), public)
