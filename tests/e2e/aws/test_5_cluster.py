"""The whole cluster on simulated machines, which have the addresses of the instances and apply their user data."""

import json
import re

import pytest
import yaml

from tests.e2e.aws.cluster import StandInStack
from tests.e2e.aws.stack import STAND_INS
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
    """One `up` made instances, and the cluster started on the simulated machines."""
    assert cluster.first_up is not None
    assert cluster.readiness() == dict.fromkeys(cluster.machines, "True")
    say(f"  {cluster.first_up.tail(1)}")


def test_nodes_have_the_addresses_of_their_instances(cluster: Cluster, stand_ins: StandIns) -> None:
    """The address is the same in AWS, on the machine, and in Kubernetes."""
    instances = stand_ins.account.instances()
    for node in cluster.kubectl.items("nodes"):
        name = node["metadata"]["name"]
        address = instances[name]["PrivateIpAddress"]
        assert {"type": "InternalIP", "address": address} in node["status"]["addresses"]
        assert address in cluster.machines[name].run("hostname -I").ok().split()


def test_cloud_init_did_what_user_data_says(cluster: Cluster, stand_ins: StandIns) -> None:
    """The real cloud-init made the host key before sshd started, the operator, the user of etcd, and the data mount."""
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
    """The bastion listens on the port of the page and gives no root. All SSH connections to machines come from it."""
    port = cluster.stack.page["hardway:machines"]["bastion"]["port"]
    assert f":{port}" in bastion.run("ss -Hltn 'sport != 22'").ok()
    assert bastion.run("ss -Hltn 'sport = 22'").ok() == ""
    assert bastion.run("su hardway -c 'sudo -n true'").code != 0
    for name, machine in cluster.machines.items():
        log = machine.run("journalctl --unit ssh.service --no-pager").ok()
        assert set(re.findall(r"Accepted publickey for (\S+) from (\S+)", log)) == {("hardway", bastion.address)}, name


def test_people_reach_the_api_at_the_load_balancers_name(cluster: Cluster, stand_ins: StandIns) -> None:
    """The certificate has another name than the load balancer; the kubeconfig sets that name."""
    (balancer,) = stand_ins.account.elb.describe_load_balancers()["LoadBalancers"]
    assert cluster.stack.output("endpoint") == f"https://{balancer['DNSName']}:{cluster.api_port}"
    (entry,) = json.loads(cluster.kubectl("config", "view", "--output=json").ok())["clusters"]
    assert entry["cluster"]["tls-server-name"] == "kubernetes.default.svc.cluster.local"
    assert cluster.kubectl("get", "--raw=/readyz").ok() == "ok"


def test_second_up_changes_nothing_and_dials_no_machine(cluster: Cluster, bastion: Machine, say: Say) -> None:
    """No resource changes, and no connection is made to the bastion or to a machine."""
    machines = [bastion, *cluster.machines.values()]
    before = [_logins(machine) for machine in machines]
    assert all(before)
    run = cluster.stack.up()
    assert run.code == 0, run.tail()
    summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
    assert re.fullmatch(r"\s*\d+ unchanged\s*", summary), run.tail()
    assert [_logins(machine) for machine in machines] == before
    say(f"  second `up`: {run.seconds:.1f} s")


@pytest.mark.proves_changes("machines.region", "machines.network.cidr", "machines.network.vpc")
def test_another_region_or_network_is_refused(cluster: Cluster, stand_ins: StandIns) -> None:
    """Before anything is made or asked in AWS: one sentence for each value."""
    assert isinstance(cluster.stack, StandInStack)
    aws, before = cluster.stack.aws, stand_ins.account.inventory()
    machines = aws.page["machines"]
    network = {**machines["network"], "cidr": "10.99.0.0/16"}
    subnet = {"id": "subnet-0123456789abcdef0", "zone": "a", "cidr": "10.99.0.0/20"}
    vpc = {"id": "vpc-0123456789abcdef0", "subnets": [subnet], "publicSubnets": ["subnet-0123456789abcdef9"]}
    try:
        for changed, said in (
            ({"region": "eu-west-1"}, "region: 'eu-west-1'"),
            ({"network": network}, "network.cidr: '10.99.0.0/16'"),
            ({"network": {"vpc": vpc}}, f"network.vpc.id: '{vpc['id']}'"),
        ):
            aws.page["machines"] = {**machines, **changed}
            run = aws.run("up", program=STAND_INS)
            refused = f"hardway:machines.{said} cannot take the place of"
            assert run.code != 0 and refused in run.output and "Traceback" not in run.output, run.tail(40)
    finally:
        aws.page["machines"] = machines
    assert stand_ins.account.inventory() == before


def test_etcd_output_goes_through_the_bastion(cluster: Cluster) -> None:
    """The output is a command line for the operator's SSH client, which verifies the host keys."""
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
