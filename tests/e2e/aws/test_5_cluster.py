"""The whole cluster on machines that stand in for the instances: they have their addresses and obey their user data."""

import json
import re

import pytest
import yaml

from tests.e2e.aws.stand_ins import BASTION, StandIns
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import write_private
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say


@pytest.fixture(scope="module")
def bastion(stand_ins: StandIns) -> Machine:
    return stand_ins.machine(BASTION)


def test_all_nodes_are_ready_when_up_returns(cluster: Cluster, say: Say) -> None:
    """One `up` made instances, machines stood in for them, and the cluster came up on those."""
    assert cluster.first_up is not None
    assert cluster.readiness() == dict.fromkeys(cluster.machines, "True")
    say(f"  {cluster.first_up.tail(1)}")


def test_nodes_have_the_addresses_of_their_instances(cluster: Cluster, stand_ins: StandIns) -> None:
    """In AWS, on the machine, and in Kubernetes."""
    instances = stand_ins.account.instances()
    for node in cluster.kubectl.items("nodes"):
        name = node["metadata"]["name"]
        address = instances[name]["PrivateIpAddress"]
        assert {"type": "InternalIP", "address": address} in node["status"]["addresses"]
        assert address in cluster.machines[name].run("hostname -I").ok().split()


def test_cloud_init_did_what_user_data_says(cluster: Cluster, stand_ins: StandIns) -> None:
    """The real one: the host's key before the SSH server began, the operator, etcd's user and its data volume."""
    instances = stand_ins.account.instances()
    for name, machine in cluster.machines.items():
        told = yaml.safe_load(stand_ins.account.user_data(instances[name]))
        assert machine.run("cloud-init status --wait").stdout.strip().endswith("done"), name
        assert machine.run("hostname").ok().strip() == name
        assert (
            machine.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
            == (told["ssh_keys"]["ed25519_public"].split()[:2])
        )
        assert machine.run("ls /etc/ssh/ssh_host_*_key").ok().split() == ["/etc/ssh/ssh_host_ed25519_key"]
        assert machine.read("/home/hardway/.ssh/authorized_keys").strip() in told["users"][0]["ssh_authorized_keys"]
        machine.run("su hardway -c 'sudo -n true'").ok()
        if name.startswith("cp-"):
            machine.run("mountpoint -q /var/lib/etcd").ok()
            assert machine.run("stat -c %U:%u /var/lib/etcd/data").ok().strip() == "etcd:961"
            assert told["bootcmd"][0][-1].splitlines()[2].split("'")[1] in machine.read("/etc/fstab")
            assert "RequiresMountsFor=/var/lib/etcd" in machine.run("systemctl cat etcd.service").ok()


def test_machines_were_reached_through_the_bastion_only(cluster: Cluster, bastion: Machine) -> None:
    """It listens at the port of the page, gives nobody root, and every connection to a machine comes from it."""
    port = cluster.stack.page["hardway:machines"]["bastion"]["port"]
    assert f":{port}" in bastion.run("ss -Hltn 'sport != 22'").ok()
    assert bastion.run("ss -Hltn 'sport = 22'").ok() == ""
    assert bastion.run("su hardway -c 'sudo -n true'").code != 0
    for name, machine in cluster.machines.items():
        log = machine.run("journalctl --unit ssh.service --no-pager").ok()
        assert set(re.findall(r"Accepted publickey for (\S+) from (\S+)", log)) == {("hardway", bastion.address)}, name


def test_people_reach_the_api_at_the_load_balancers_name(cluster: Cluster, stand_ins: StandIns) -> None:
    """With a certificate that is for another name, which the kubeconfig says."""
    (balancer,) = stand_ins.account.elb.describe_load_balancers()["LoadBalancers"]
    assert cluster.stack.output("endpoint") == f"https://{balancer['DNSName']}:{cluster.api_port}"
    (entry,) = json.loads(cluster.kubectl("config", "view", "--output=json").ok())["clusters"]
    assert entry["cluster"]["tls-server-name"] == "kubernetes.default.svc.cluster.local"
    assert cluster.kubectl("get", "--raw=/readyz").ok() == "ok"


def test_second_up_changes_nothing_and_dials_no_machine(cluster: Cluster, bastion: Machine, say: Say) -> None:
    """No resource changes, and neither the bastion nor any machine has seen a connection."""
    machines = [bastion, *cluster.machines.values()]
    before = [_logins(machine) for machine in machines]
    assert all(before)
    run = cluster.stack.up()
    assert run.code == 0, run.tail()
    summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
    assert re.fullmatch(r"\s*\d+ unchanged\s*", summary), run.tail()
    assert [_logins(machine) for machine in machines] == before
    say(f"  second `up`: {run.seconds:.1f} s")


def test_etcd_output_goes_through_the_bastion(cluster: Cluster) -> None:
    """It is a line for the operator's own SSH client, which decides about keys."""
    command = cluster.stack.output("etcd")
    found = re.match(r"ssh -J (hardway@\S+):(\d+) (hardway@\S+) ", command)
    assert found, command
    key = write_private(cluster.stack.folder / "operator", cluster.stack.output("sshKey"))
    known = f"-i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    jump = f"-o ProxyCommand='ssh {known} -p {found[2]} -W %h:%p {found[1]}'"
    answer = ask(["sh", "-c", command.replace(f"ssh -J {found[1]}:{found[2]}", f"ssh {known} {jump}", 1)], timeout=60)
    assert answer.ok().count("true") >= 3, answer.text
    for machine in cluster.having("etcd"):
        assert f"https://{machine.address}:2379" in answer.stdout


def _logins(machine: Machine) -> int:
    return machine.run("journalctl --unit ssh.service --no-pager").ok().count("Accepted publickey")
