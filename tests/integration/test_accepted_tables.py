"""The tables of flags and feature gates are what the programs of this machine say."""

import json

import pytest

from components.config import accepted
from tools.from_source import accepted as recorder


def test_the_tables_are_what_the_programs_say() -> None:
    """Compares what this machine has built or fetched; a table may know more versions than the machine."""
    known = json.loads(accepted.FILE.read_text())
    found = 0
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"):
        for version, text in recorder.built(component).items():
            found += 1
            table, listed = dict(accepted.flags(component, version)), recorder.flags_in(text)
            assert {name: kind for name, kind in table.items() if name in listed} == listed, (component, version)
            left_out = sorted(set(table) - set(listed))
            path = recorder.programs(component)[version]
            assert [name for name in left_out if not recorder.knows(path, name)] == [], (component, version)
            assert not recorder.knows(path, "no-such-flag")
    for version, text in recorder.built("etcd").items():
        assert set(accepted.flags("etcd", version)) <= set(recorder.flags_of_etcd(text, text, strict=False))
        assert accepted.gates("etcd", version) == recorder.gates_of_etcd(text)
    assert set(known) == {"flags", "fields", "gates"}
    if not found:
        pytest.skip("no program of Kubernetes is built")
