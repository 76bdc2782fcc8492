"""The SSH servers of the bench answer OpenSSH's client as the program expects of hosts."""

import subprocess
import time
from pathlib import Path

from bench.hosts import SLOW_SECONDS, Staged, seconds_of, table
from bench.pretended import available_daemons, ready_node, running_pod
from bench.ssh_hosts import serving
from components.machines.preflight import Target, inspect_host
from components.machines.ssh import Client, Route


def test_each_host_is_found_fit_and_takes_its_time(tmp_path: Path) -> None:
    with serving({"cp-1": 0.0, "worker-1": 0.5}) as hosts:
        client = Client(tmp_path, None, hosts.login_key)
        for name, port in hosts.ports.items():
            route = Route("127.0.0.1", port, "root", hosts.host_key)
            report = inspect_host(client, Target(name, route, {}), None)
            assert (report.facts["hostname"], report.findings) == (name, ())
            begin = time.monotonic()
            command = client.command(name, route, "sh -euc 'sh $d/apply.sh stage 1a $d'")
            subprocess.run(command, input=b"x" * 1000, check=True)
            assert hosts.staged[name] - begin >= hosts.seconds[name]
        assert all(taken > 1000 for taken in hosts.taken.values())


def test_the_first_workers_are_slow() -> None:
    seconds = seconds_of(workers=4, slow=2)
    assert [name for name, time_ in seconds.items() if time_ == SLOW_SECONDS] == ["worker-1", "worker-2"]
    assert len(seconds) == 7


def test_what_runs_is_not_patched_again() -> None:
    for patch_of in (ready_node, running_pod):
        patch = patch_of({"metadata": {"name": "x"}})
        assert patch is not None and patch_of(patch) is None
    daemons = {"metadata": {"generation": 2}}
    patch = available_daemons(daemons)
    assert patch is not None and available_daemons(daemons | patch) is None


def test_runs_are_a_table() -> None:
    assert table([Staged(8, 30, 120, 130, 140, 12.5)]).endswith("| 8 | 30.0 | 120.0 | 130.0 | 140.0 | 12.5 |")
