"""The program with the limits of the page for slow machines, and without them."""

import re
from datetime import timedelta
from functools import cache

from clusters import cluster, lock_data
from recording import PROVIDER, REMOTE, Recording, page, recorded, run

LIMITS = {"rollout": {"healthTimeout": "20m", "answerTimeout": "10s", "apiTimeout": "3m"}}
ROTATING = {"pki.generations": {"kubernetes": {"trusted": [1, 2], "active": 1}}}


@cache
def patient() -> Recording:
    found = run(page("existing", LIMITS | ROTATING), lock=lock_data(cluster("existing").page))
    assert found.error is None, found.error
    return found


def test_commands_give_scripts_the_limit_of_the_page() -> None:
    wanted = {"-stage": "HEALTH", "-activate": "HEALTH", "-credentials": "RENEW"}
    seconds = int(timedelta(minutes=20).total_seconds())
    found = 0
    for command in patient().of(REMOTE):
        for end, kind in wanted.items():
            if command.name.endswith(end):
                script = str(command.inputs["create"])
                assert re.match(rf"(sudo -n )?env HARDWAY_{kind}_LIMIT={seconds} sh ", script), script
                found += 1
    assert found == 12
    (settle,) = [command for command in patient().of(REMOTE) if "settle.sh" in str(command.inputs["create"])]
    assert f"env HARDWAY_SETTLE_LIMIT={seconds} sh " in settle.inputs["create"]


def test_the_provider_waits_for_the_api_as_long_as_the_page_says() -> None:
    (provider,) = patient().of(PROVIDER)
    assert provider.inputs["kubeClientSettings"] in ({"timeout": 180}, '{"timeout": 180}', '{"timeout":180}')


def test_the_provider_waits_for_nodes_and_pods_as_long_as_for_programs() -> None:
    objects = patient().of("kubernetes:")
    assert len(objects) > 20 and {found.waits for found in objects} == {"1200s"}


def test_without_limits_of_the_page_commands_and_provider_are_as_they_were() -> None:
    usual = recorded("existing")
    assert not [command.name for command in usual.of(REMOTE) if "env HARDWAY_" in str(command.inputs["create"])]
    (provider,) = usual.of(PROVIDER)
    assert "kubeClientSettings" not in provider.inputs
    nodes, others = usual.of("kubernetes:core/v1:Node"), usual.of("kubernetes:apps/v1:")
    assert {found.waits for found in nodes} == {"300s"} and {found.waits for found in others} == {""}
