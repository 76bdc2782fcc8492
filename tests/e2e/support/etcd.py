"""The members of etcd, read on the machine of a member."""

from collections.abc import Mapping

from components.node.render.etcd import etcdctl
from tests.e2e.support.machines import Machine


def voters(machine: Machine) -> Mapping[str, str]:
    """The ids of members by name. Raises AssertionError if one has not started, does not vote or is not healthy."""
    found = {}
    for line in machine.run(etcdctl("member list")).ok().splitlines():
        id_, status, name, _, _, learner = line.split(", ")
        assert (status, learner) == ("started", "false"), line
        found[name] = id_
    health = machine.run(etcdctl("endpoint health --cluster"))
    assert health.code == 0 and health.text.count("is healthy") == len(found), health.text
    return found
