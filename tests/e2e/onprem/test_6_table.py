"""The table of changes (components/config/changes.py) on existing hosts: how they are reached, and proxies."""

import dataclasses
from collections.abc import Iterator

import pytest

from tests.authorities import make
from tests.e2e.onprem import pages
from tests.e2e.onprem.pages import NODES
from tests.e2e.onprem.site import BASTION, KeyPair, Site, key_pair
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine
from tests.e2e.support.progress import Say
from tests.e2e.support.units import Invocations, invocations, restarted

USER, JUMP, PORT = "second", "jump", 2222
SSHD = "/etc/ssh/sshd_config.d/second.conf"
CONTAINERD = {(name, "containerd") for name in NODES}


@pytest.fixture
def second(place: Site, cluster: Cluster) -> Iterator[KeyPair]:
    """Another user on every host and another on the bastion, with a key of their own. They are gone at the end."""
    assert cluster
    key = key_pair(place.folder, "second-operator")
    accounts = [(place.container(BASTION), JUMP), *((host, USER) for host in place.hosts.values())]
    for machine, user in accounts:
        _add_user(machine, user, key)
    yield key
    for machine, user in accounts:
        machine.run(f"rm -f /etc/sudoers.d/{user}; userdel --force --remove {user}")


@pytest.mark.long
@pytest.mark.proves_changes(
    *("machines.user", "machines.privateKeyFile", "machines.privateKey", "machines.bastion", "machines.endpoint"),
    *("machines.packages", "machines.removeData", "nodes[].ssh", "artifacts", "artifacts.proxy"),
    "artifacts.certificateAuthority",
)
def test_hosts_are_reached_in_another_way_and_only_containerd_restarts(
    cluster: Cluster, place: Site, second: KeyPair, say: Say
) -> None:
    """All values at once, then back, with the key as text. Of these values, running programs read the proxy only."""
    # Another test may have left another page.
    assert cluster.stack.up().code == 0
    page, before = cluster.stack.page, invocations(cluster)
    own = page["hardway:machines"]
    first = place.hosts[NODES[0]]
    first.run(f"echo 'Port {PORT}' >{SSHD} && systemctl reload ssh.service").ok()
    try:
        changed = pages.with_machines(
            page,
            user=USER,
            privateKeyFile=str(place.folder / "second-operator"),
            bastion={**own["bastion"], "user": JUMP},
            endpoint={"host": "localhost", "port": place.api_port},
            packages="refuse",
            removeData=True,
        )
        proxy = {"http": f"http://{place.mirror}:8080", "noProxy": [place.mirror]}
        authorities = place.mirror_authority.chain + make("CN=the next authority").chain
        artifacts = {
            **page["hardway:artifacts"],
            "mirror": f"http://{place.mirror}:80",
            "certificateAuthority": authorities,
            "proxy": proxy,
        }
        changed = pages.with_ssh(changed, {NODES[0]: {"port": PORT}}) | {"hardway:artifacts": artifacts}
        run = dataclasses.replace(cluster.stack, page=changed).up()
        assert run.code == 0, run.tail(60)
    finally:
        first.run(f"rm -f {SSHD} && systemctl reload ssh.service").ok()
    now = _only_containerd(cluster, before)
    for host in place.hosts.values():
        assert f"Accepted publickey for {USER} from" in host.run("journalctl --unit ssh.service --no-pager").ok()
        environment = "tr '\\0' '\\n' </proc/$(systemctl show --property=MainPID --value containerd.service)/environ"
        assert f"http_proxy=http://{place.mirror}:8080" in host.run(environment).ok().splitlines(), host.name
        assert host.run("cat /opt/kubernetes/cfg/mirror-ca.pem").ok() == authorities, host.name
    logins = place.container(BASTION).run("journalctl --unit ssh.service --no-pager").ok()
    assert f"Accepted publickey for {JUMP} from" in logins
    assert f"https://localhost:{place.api_port}" in cluster.stack.kubeconfig.read_text()
    assert cluster.readiness() == dict.fromkeys(NODES, "True")
    say(f"  other ways to the hosts in {run.seconds:.1f} s")
    # The same key as at first, as text on the page.
    machines = {key: value for key, value in own.items() if key != "privateKeyFile"}
    text = page | {"hardway:machines": {**machines, "privateKey": place.operator.private}}
    back = dataclasses.replace(cluster.stack, page=text).up()
    assert back.code == 0, back.tail(60)
    assert place.operator.private.splitlines()[1] not in back.output
    _only_containerd(cluster, now)
    assert f"https://127.0.0.1:{place.api_port}" in cluster.stack.kubeconfig.read_text()


def _only_containerd(cluster: Cluster, before: Invocations) -> Invocations:
    now = invocations(cluster)
    assert restarted(before, now) == CONTAINERD
    return now


def _add_user(machine: Machine, user: str, key: KeyPair) -> None:
    """A user with sudo and this key. The sign * is no password, and does not lock the user."""
    machine.run(f"useradd --create-home --shell /bin/bash {user} && usermod --password '*' {user}").ok()
    home = f"/home/{user}/.ssh"
    machine.run(f"install -d -m 700 {home} && cat >{home}/authorized_keys", stdin=f"{key.public}\n").ok()
    machine.run(f"chown -R {user}: {home}").ok()
    sudo = f"{user} ALL=(ALL) NOPASSWD: ALL\n"
    machine.run(f"mkdir -p /etc/sudoers.d && cat >/etc/sudoers.d/{user}", stdin=sudo).ok()
