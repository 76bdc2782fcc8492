"""The SSH servers of the bench answer OpenSSH's client as the program expects of hosts."""

import subprocess
import time
from pathlib import Path

from bench.hosts import SLOW_SECONDS, Staged, hosts_page, seconds_of, table
from bench.ssh_hosts import serving
from components.config import load
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


def test_the_page_is_accepted(tmp_path: Path) -> None:
    seconds = seconds_of(workers=4, slow=2)
    assert [name for name, time_ in seconds.items() if time_ == SLOW_SECONDS] == ["worker-1", "worker-2"]
    with serving(seconds) as hosts:
        page = hosts_page(hosts, tmp_path / "key")
    assert len(load({key.partition(":")[2]: value for key, value in page.items()}).nodes) == 7


def test_runs_are_a_table() -> None:
    assert table([Staged(8, 30, 120, 130, 12.5)]).endswith("| 8 | 30.0 | 120.0 | 130.0 | 12.5 |")
