"""Unfit hosts: one error lists all findings of all hosts, and no host is changed."""

import dataclasses
import json
import subprocess
import sys

from components.machines.preflight import Inspection, Target
from components.machines.ssh import Route
from tests.e2e.onprem import footprint, image, pages
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.onprem.site import BASTION, FREE, Site
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack

ONE, TWO, THREE = pages.NODES
NOWHERE = "linux-node4"
"""A node without a host: no machine has its address."""
HEAD = "these hosts cannot become a cluster, and nothing was changed on any of them:"


def findings(output: str) -> list[str]:
    """The lines about hosts in the output of `make up`, each once."""
    lines = [line.strip() for line in output.splitlines()]
    return sorted({line for line in lines if line.startswith(tuple(f"{n}: " for n in (*pages.NODES, NOWHERE)))})


def test_all_findings_of_all_hosts_are_one_error(
    place: Site, stack: Stack, untouched: dict[str, Footprint], say: Say
) -> None:
    """A wrong host key, a user without sudo, a taken port, a missing host: one error, and no host is changed."""
    page = pages.with_ssh(stack.page, {ONE: {"hostKey": place.keys[BASTION].public}})
    nowhere = {"name": NOWHERE, "roles": ["worker"], "address": place.address_at(FREE)}
    page["hardway:nodes"] = [*page["hardway:nodes"], nowhere | {"ssh": {"hostKey": place.keys[BASTION].public}}]
    place.hosts[TWO].run(f"mv /etc/sudoers.d/{image.USER} /root/").ok()
    place.hosts[THREE].run("systemd-run --quiet --unit taken /usr/sbin/sshd -D -p 2380").ok()
    try:
        run = dataclasses.replace(stack, page=page).up()
    finally:
        place.hosts[TWO].run(f"mv /root/{image.USER} /etc/sudoers.d/").ok()
        place.hosts[THREE].run("systemctl stop taken").ok()
    assert run.code != 0
    assert HEAD in run.output and "Traceback" not in run.output, run.tail()
    found = findings(run.output)
    assert found[0] == (
        f"{ONE}: the SSH server at {place.address(ONE)}:22 has another host key than the page says (ssh-ed25519)"
    ), found
    assert found[1] == (
        f"{TWO}: {image.USER} may not run commands as root without a password: sudo: a password is required"
    ), found
    assert found[2].startswith(f"{THREE}: port 2380 is taken by sshd (process "), found
    assert found[3].startswith(f"{NOWHERE}: cannot be reached at {nowhere['address']}:22: "), found
    assert len(found) == 4, found
    for name, host in place.hosts.items():
        assert footprint.take(host).new_since(untouched[name]) == {}, name
    say("  " + "\n           ".join(found))


def look(inspection: Inspection) -> list[str]:
    """The findings of the preflight."""
    command = [sys.executable, "components/machines/preflight.py"]
    done = subprocess.run(command, input=inspection.to_json(), capture_output=True, text=True, timeout=90, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()


def inspection(place: Site) -> Inspection:
    """An inspection of one host that cannot be reached and one that can, with minimal needs."""
    lists = (
        "DISKS",
        "MODULES",
        "SYSCTLS",
        "COMMANDS",
        "UNITS",
        "DATA",
        "PORTS",
        "PEERS",
        "SERVERS",
        "PROXIES",
        "VIRTUAL",
    )
    needs = dict.fromkeys((*lists, "VIRTUAL"), "") | {
        "CONTAINERS": "true",
        "PACKAGES": "install",
        "SWAP": "refuse",
        "KERNEL": "4.0",
        "CORES": "1",
        "MEMORY": "1",
    }
    targets = [
        Target(
            name,
            Route(place.address(name), port, image.USER, place.keys[name].public),
            needs | {"ADDRESS": place.address(name)},
        )
        for name, port in ((ONE, 2222), (TWO, 22))
    ]
    bastion = Route("127.0.0.1", place.bastion_port, "root", place.keys[BASTION].public)
    return Inspection(tuple(targets), bastion, place.operator.private)


def test_an_unreachable_host_is_named(place: Site) -> None:
    """Only the host that cannot be reached is named."""
    said = look(inspection(place))
    assert said == [HEAD, f"  {ONE}: cannot be reached at {place.address(ONE)}:2222: Connection refused"]


def test_a_bastion_with_another_key_is_named_once(place: Site) -> None:
    """The bastion is not trusted, and the finding names the bastion, not a host."""
    right = inspection(place)
    assert right.bastion is not None
    wrong = dataclasses.replace(right.bastion, host_key=place.keys[ONE].public)
    said = look(dataclasses.replace(right, bastion=wrong))
    where = f"127.0.0.1:{place.bastion_port}"
    assert said == [
        HEAD,
        f"  bastion 127.0.0.1: the SSH server at {where} has another host key than the page says (ssh-ed25519)",
    ]


def test_a_key_that_opens_no_door_is_named(place: Site) -> None:
    """The hosts do not accept the operator's key."""
    said = look(dataclasses.replace(inspection(place), private_key=place.keys[ONE].private))
    assert said[0] == HEAD
    assert said[1].startswith(f"  bastion 127.0.0.1: root cannot log in at 127.0.0.1:{place.bastion_port}: Permission")


def test_reports_hold_no_key(place: Site) -> None:
    """The input of the preflight has a private key. The output has not."""
    told = inspection(place).to_json()
    assert "PRIVATE KEY" in told
    assert "PRIVATE KEY" not in json.dumps(look(inspection(place)))


def test_swap_that_is_on_and_a_mirror_that_is_not_there_are_found(place: Site) -> None:
    """The suite cannot turn on swap of this host, so another table of swap areas is mounted."""
    told = inspection(place)
    needs = {"CONTAINERS": "false", "SERVERS": f"{place.mirror}:81", "PEERS": f"{place.mirror}:81"}
    two = dataclasses.replace(told.targets[1], needs={**told.targets[1].needs, **needs})
    table = "Filename Type Size Used Priority\n/dev/sda2 partition 999 0 -2\n"
    place.hosts[TWO].run("cat >/run/swaps && mount --bind /run/swaps /proc/swaps", stdin=table).ok()
    try:
        said = look(dataclasses.replace(told, targets=(two,)))
    finally:
        place.hosts[TWO].run("umount /proc/swaps && rm /run/swaps").ok()
    assert said == [
        HEAD,
        f"  {TWO}: hardway:machines.containers is false; allowed for this host: true",
        f"  {TWO}: swap is on: /dev/sda2; turn it off, or set hardway:machines.swap to disable",
        f"  {TWO}: cannot reach the mirror {place.mirror}:81: refused",
    ]


def test_host_keys_are_printed_for_review(place: Site, stack: Stack) -> None:
    """`make host-keys` prints the keys of all hosts, through the bastion: the same keys as on the page."""
    run = stack.make("host-keys")
    assert run.code == 0, run.output
    said = run.output.splitlines()
    assert f"machines.bastion.hostKey: {place.keys[BASTION].public}" in said, run.output
    for index, name in enumerate(pages.NODES):
        assert f"nodes[{index}].ssh.hostKey: {place.keys[name].public}" in said, run.output
    assert sum("SHA256:" in line for line in said) == len(pages.NODES) + 1
