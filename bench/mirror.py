"""Measures what two hundred hosts ask of a mirror: how long a link of 1 Gbit/s is busy, and what nginx needs meanwhile.

nginx, its configuration, the programs of a worker and the script that fetches them are real. A host is a process that
keeps no file. All of them are in a network of their own, whose loopback interface has the rate of the link (tc-tbf(8)).
"""

import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.preview import page as page_of
from bench.processes import family
from components.artifacts.choice import choose_artifacts, choose_lock
from components.artifacts.lock import Source
from components.config import load
from components.config.existing import ExistingSection
from components.machines.existing_site import ExistingSite
from components.machines.mirror_server import files_server, nginx_config
from components.machines.needs import traits_of
from components.node import scripts
from components.node.plan import NodeEnvironment, plan_node
from tests import nginx
from tests.e2e.support.progress import Say
from tests.private_network import private_network, run
from tools.common.paths import shared_cache
from tools.operate.envsh import PARALLEL

HOSTS = 200
MBIT_PER_SECOND = 1000
_PORT = 8080
_SAID = 10
"""After how many hosts a line says how far it is."""
_FETCHING = """
say() { echo "$*"; }
fail() { echo "$*" >&2; exit 1; }
root=$1 sysroot=''
mkdir -p "$root/store"
while read -r sha256 archive url; do
    fetch "$sha256" "$archive" "$url"
    rm -r "${root:?}/store"/*
done
"""


@dataclass(frozen=True)
class Load:
    """What `hosts` hosts asked of a mirror, `at_once` of them at the same time.

    `size` is the number of bytes for each host. `done` has the moments at which the hosts had all files, in seconds
    since the start. `again` counts the downloads that were tried again. `cpu` is nginx's CPU in seconds.
    """

    hosts: int
    at_once: int
    size: int
    done: Sequence[float]
    again: int
    cpu: float

    @property
    def busy(self) -> float:
        """The part of the link's rate that files took, from the first byte to the last."""
        return self.hosts * self.size * 8 / 1e6 / MBIT_PER_SECOND / max(self.done)


def measure_mirror(say: Say, hosts: int = HOSTS) -> Load:
    """Let all hosts fetch the programs of a worker. Raises AssertionError if one of them cannot."""
    mirror, sources = shared_cache() / "mirror", _of_a_worker()
    size = sum((mirror / "files" / source.sha256 / Path(source.url).name).stat().st_size for source in sources)
    table = "".join(
        f"{source.sha256} {source.archive or '-'} {source.url.replace('{mirror}', f'http://127.0.0.1:{_PORT}')}\n"
        for source in sources
    )
    say(f"{hosts} hosts fetch {size / 1e6:.0f} MB each: {hosts * size * 8 / 1e6 / MBIT_PER_SECOND:.0f} s at least")
    with TemporaryDirectory(prefix="hardway-bench-", dir="/dev/shm") as name, private_network():
        folder = Path(name)
        run(f"tc qdisc add dev lo root tbf rate {MBIT_PER_SECOND}mbit burst 1mb latency 50ms")
        program = nginx.command(folder)
        assert program, "there is no nginx: run `make tools`"
        config = nginx_config(str(folder / "pid"), files_server(str(mirror), _PORT), user="root")
        with nginx.serving(program, folder, config, _PORT) as server, ThreadPoolExecutor(int(PARALLEL)) as pool:
            begun = time.monotonic()

            def fetch(number: int) -> tuple[float, str]:
                said = _fetch(folder / f"host-{number}", table)
                return time.monotonic() - begun, said

            found = []
            for result in pool.map(fetch, range(hosts)):
                found.append(result)
                if len(found) % _SAID == 0:
                    say(f"{len(found)} of {hosts} hosts are done")
            done, said = zip(*found, strict=True)
            cpu = sum(process.cpu for process in family(server.pid))
    return Load(hosts, int(PARALLEL), size, done, "".join(said).count("; tries again in"), cpu)


def table(load: Load) -> str:
    """The load as Markdown."""
    return "\n".join(
        [
            f"{load.hosts} hosts, {load.at_once} at the same time, fetch {load.size / 1e6:.0f} MB each from one mirror "
            f"with {MBIT_PER_SECOND} Mbit/s.\n",
            "| sent GB | first host done at s | last host done at s | link busy | CPU of nginx s | tried again |",
            "|---:|---:|---:|---:|---:|---:|",
            f"| {load.hosts * load.size / 1e9:.1f} | {min(load.done):.0f} | {max(load.done):.0f} | {load.busy:.0%} "
            f"| {load.cpu:.1f} | {load.again} |",
        ]
    )


def _of_a_worker() -> list[Source]:
    """The files that a worker fetches, each of them once."""
    page = load(page_of(1))
    assert isinstance(page.machines, ExistingSection)
    topology = ExistingSite(page, page.machines, None).topology(page)
    worker = topology.node("worker-1")
    environment = NodeEnvironment({worker.architecture: "pause"}, {}, traits_of(page.machines))
    names = plan_node(page, topology, worker, environment).artifacts
    chosen = choose_artifacts(page, choose_lock(page), names, worker.architecture)
    sources = {source.sha256: source for artifact in chosen.values() for source in artifact.sources}
    return list(sources.values())


def _fetch(root: Path, table: str) -> str:
    """Let a host fetch what the table names. Return what the script says to people."""
    script = scripts.text("stage") + scripts.text("download") + _FETCHING
    done = subprocess.run(
        ["sh", "-euc", script, "sh", str(root)], input=table, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr
