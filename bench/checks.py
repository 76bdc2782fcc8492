"""What the checks of node-local proxies cost API servers: a haproxy with the sections of many nodes, which only checks.

The proxy of every node checks every API server, each time over a new connection with a TLS handshake. So the work of an
API server grows with the number of nodes, also if nobody sends a request.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.inside import use_on
from components.node.render.haproxy import CONFIG
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine

PROXIES, SECONDS = 40, 20
CHECK_SECONDS = 2
"""Time between two checks of a server that is up (`inter` in components/node/render/haproxy.py)."""
_SERVER = "kube-apiserver"
_FILE, _SOCKET = "/run/hardway-bench-checks.cfg", "/run/hardway-bench-checks.sock"


@dataclass(frozen=True)
class Checks:
    """Cores of one API server, the mean of all, without and with the checks of `proxies` more nodes."""

    proxies: int
    without: float
    during: float

    @property
    def milliseconds(self) -> float:
        """CPU time of an API server for one check."""
        return 1000 * (self.during - self.without) * CHECK_SECONDS / self.proxies

    def cores_for(self, nodes: int) -> float:
        """The cores that one API server needs for the checks of this many nodes."""
        return nodes * self.milliseconds / 1000 / CHECK_SECONDS


def measure_checks(cluster: Cluster) -> Checks:
    """Let a worker check API servers for many nodes. Raises AssertionError if a check does not succeed."""
    worker, servers = cluster.machines["worker-1"], cluster.having("control-plane")
    text = checking(worker.read(CONFIG), PROXIES)
    without = _cores(servers, lambda: time.sleep(SECONDS))

    def check() -> None:
        # `timeout` ends with 124 when it has ended the program.
        run = f"cat >{_FILE} && timeout {SECONDS} haproxy -db -f {_FILE}"
        script = f"{run}; code=$?; rm -f {_FILE} {_SOCKET}; test $code = 124"
        answer = worker.run(script, stdin=text, timeout=SECONDS + 30)
        assert answer.code == 0 and " is DOWN" not in answer.text, answer.text[-2000:]

    return Checks(PROXIES, without, _cores(servers, check))


def checking(config: str, count: int) -> str:
    """The configuration of a proxy that checks its servers `count` times as often. Nobody connects to it."""
    head, listen, section = config.partition("listen ")
    assert listen, "the configuration of the proxy has no section `listen`"
    lines = [line for line in section.splitlines()[1:] if not line.startswith("  bind ")]
    body = "\n".join(lines[: lines.index("")] if "" in lines else lines)
    # haproxy does not start if it has nothing to listen at.
    head += f"frontend checks\n  bind unix@{_SOCKET} mode 600\n  default_backend checks-1\n\n"
    return head + "\n".join(f"backend checks-{number}\n{body}\n" for number in range(1, count + 1))


def _cores(servers: Sequence[Machine], work: Callable[[], None]) -> float:
    """The mean number of cores that an API server keeps busy during the work."""
    begun, before = time.monotonic(), sum(_cpu(server) for server in servers)
    work()
    return (sum(_cpu(server) for server in servers) - before) / (time.monotonic() - begun) / len(servers)


def _cpu(machine: Machine) -> float:
    return use_on(machine)[_SERVER].cpu
