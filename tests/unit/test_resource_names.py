"""Names of resources are parsed as they are built."""

import pytest

from components.resource_names import NodeResource, name_of


@pytest.mark.parametrize("kind", NodeResource)
@pytest.mark.parametrize("node", ["cp-1", "stage", "a-machine", "machine"])
def test_the_node_in_a_name_is_the_one_it_was_built_for(kind: NodeResource, node: str) -> None:
    assert kind.node_in(kind.name_for(node)) == node
    assert [other for other in NodeResource if other.node_in(kind.name_for(node))] == [kind]


@pytest.mark.parametrize("name", ["", "cp-1", "machine-cp-1", "lab-network"])
def test_a_name_of_another_kind_has_no_node(name: str) -> None:
    assert not any(kind.node_in(name) for kind in NodeResource)


def test_name_of_a_urn() -> None:
    urn = "urn:pulumi:dev::hardway::hardway:machines:LocalMachines$command:local:Command::cp-1-machine"
    assert NodeResource.MACHINE.node_in(name_of(urn)) == "cp-1"


def test_names_stay_since_they_are_state() -> None:
    assert {kind.name: kind.value for kind in NodeResource} == {
        "MACHINE": "-machine",
        "STAGE": "-stage",
        "ACTIVATE": "-activate",
        "CREDENTIALS": "-credentials",
        "AUTHORIZED_KEYS": "-authorized-keys",
        "RESTORE": "-restore",
        "DATA": "-data",
        "SSH_HOST_KEY": "-ssh-host",
    }
