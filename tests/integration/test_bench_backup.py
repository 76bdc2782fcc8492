"""What `make bench ARGS="--what backup"` writes to etcd, with a real etcd."""

import subprocess
from pathlib import Path

import real_etcd
from real_etcd import needs_etcd

from bench.backup import COUNTING, filling
from components.node.render.etcd import etcdctl


@needs_etcd
def test_keys_are_written(tmp_path: Path) -> None:
    """A transaction that etcdctl does not understand writes nothing, and etcdctl does not always say so."""
    with real_etcd.running(tmp_path, 1, 1 << 30) as etcd:

        def run(script: str) -> str:
            here = script.replace(etcdctl("").strip(), f"{etcd.etcdctl} --endpoints={etcd.members[0].client}")
            assert here != script
            return subprocess.run(["sh", "-c", here], capture_output=True, text=True, check=True, timeout=60).stdout

        run(filling(0, 300))
        assert int(run(COUNTING)) == 384, "three transactions of 128 keys"
        run(filling(384, 500))
        assert int(run(COUNTING)) == 512
        value = etcd.ctl("get", "/hardway/bench/511", "--print-value-only").stdout
        assert len(value.strip()) == 1024
