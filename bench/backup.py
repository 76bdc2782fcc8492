"""Measures what a snapshot costs: its time, its size in the place, and how long writes to the API take meanwhile."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.writes import Latencies, Writing
from components.node.render.etcd import etcdctl
from tests.e2e.restore.vault import FOLDER, Vault, vault
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import unpack
from tests.e2e.support.machines import Machine
from tests.e2e.support.stack import Stack

SIZES = (10_000, 100_000)
"""Numbers of objects. The cluster itself has about a thousand."""
_QUIET_SECONDS = 30
_BATCH = 128
"""Operations of a transaction, etcd's default limit (--max-txn-ops)."""
_VALUE_BYTES = 1024
_FILL_SECONDS = 900
_MEBIBYTE = 1 << 20
COUNTING = etcdctl("get /hardway/bench/ --prefix --count-only --write-out=fields") + " | sed -n 's/.*Count. : //p'"
"""A script for a member that prints how many keys there are."""


@dataclass(frozen=True)
class Cost:
    """One snapshot of a cluster with `objects` more keys in etcd.

    `filled` is the time in seconds in which the keys were written, `took` the time of `make backup`, `size` is the size
    of the database in MiB, `added` what the place grew by in MiB. `quiet` are writes without a snapshot, `busy` writes
    meanwhile.
    """

    objects: int
    what: str
    filled: float
    took: float
    size: float
    added: float
    quiet: Latencies
    busy: Latencies


def measure_backup(stack: Stack, sizes: Sequence[int] = SIZES) -> list[Cost]:
    """Measure two snapshots for each number of objects: of data that the place lacks, and of the same data again.

    The objects are keys of etcd with random values of 1 KiB outside of what API servers read: they cost a snapshot what
    objects of the API cost. Raises AssertionError if a step fails. The stack is removed in any case.
    """
    cluster = Cluster(stack, None, None)
    try:
        cluster.up()
        with vault(cluster) as place:
            cluster.change({"hardway:backup": {"to": place.sftp, "every": "24h"}})
            cluster.up()
            costs, filled, there = list[Cost](), 0.0, 0
            for size in sizes:
                begun = time.monotonic()
                _fill(cluster.machines["cp-1"], there, size)
                filled, there = time.monotonic() - begun, size
                quiet = _quiet(cluster)
                for what in ("all of it is new", "the same again"):
                    costs.append(_cost(cluster, place, size, what, filled, quiet))
                    stack.say(f"{size} objects, {what}: {costs[-1]}")
            return costs
    finally:
        run = cluster.stack.down()
        assert run.code == 0, run.tail()
        cluster.stack.forget()


def table(costs: Sequence[Cost]) -> str:
    """The costs as a Markdown table."""
    lines = [
        "| objects | data | `make backup` s | database MiB | the place grows by MiB | writes without: p50, p99 ms "
        "| writes meanwhile: p50, p99, worst ms | failed |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for cost in costs:
        quiet, busy = f"{cost.quiet.p50:.0f}, {cost.quiet.p99:.0f}", f"{cost.busy.p50:.0f}, {cost.busy.p99:.0f}"
        lines.append(
            f"| {cost.objects:,} | {cost.what} | {cost.took:.1f} | {cost.size:.0f} | {cost.added:.1f} | {quiet} "
            f"| {busy}, {cost.busy.worst:.0f} | {cost.busy.failed} |"
        )
    fills = dict.fromkeys(f"{cost.objects:,} in {cost.filled:.0f} s" for cost in costs)
    return "\n".join([*lines, "", f"Keys of etcd were written: {', '.join(fills)}."])


def _cost(cluster: Cluster, place: Vault, objects: int, what: str, filled: float, quiet: Latencies) -> Cost:
    before = _size(place)
    with _writing(cluster) as writing:
        run = cluster.stack.make("backup")
    assert run.code == 0, run.tail()
    found = re.search(r": (\d+) KiB in \d+ s, read back", run.output)
    assert found, run.tail()
    size, added = int(found[1]) / 1024, (_size(place) - before) / _MEBIBYTE
    return Cost(objects, what, filled, run.seconds, size, added, quiet, writing.latencies)


def _quiet(cluster: Cluster) -> Latencies:
    with _writing(cluster) as writing:
        time.sleep(_QUIET_SECONDS)
    return writing.latencies


def _writing(cluster: Cluster) -> Writing:
    content = json.loads(cluster.stack.kubeconfig.read_text())
    url = content["clusters"][0]["cluster"]["server"]
    return Writing(url, unpack(cluster.stack.kubeconfig, cluster.stack.folder))


def _size(place: Vault) -> int:
    """What the place has, in bytes. 0 before the first snapshot."""
    return int(place.machine.run(f"du -sb {FOLDER} 2>/dev/null | cut -f1 | grep . || echo 0").ok())


def _fill(member: Machine, first: int, last: int) -> None:
    """Write keys with the numbers from `first` to `last` at least."""
    member.run(filling(first, last), timeout=_FILL_SECONDS).ok()
    count = member.run(COUNTING)
    assert int(count.ok()) >= last, f"etcd has {count.ok().strip()} of {last} keys"


def filling(first: int, last: int) -> str:
    """A script for a member that writes keys, many in each transaction."""
    return f"""
        set -eu
        number={first}
        while [ $number -lt {last} ]; do
            {{
                echo
                openssl rand {_BATCH * _VALUE_BYTES * 3 // 4} | base64 -w 0 | fold -w {_VALUE_BYTES} |
                    awk -v first=$number '{{ printf "put /hardway/bench/%d %s\\n", first + NR - 1, $0 }}'
                printf '\\n\\n\\n'
            }} | {etcdctl("txn")} >/dev/null
            number=$((number + {_BATCH}))
        done"""
