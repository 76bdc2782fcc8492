"""The archive of a release, as it goes to a machine."""

import subprocess
from pathlib import Path

import pytest
from archives import unpack
from clusters import cluster

from components.node.model import Ref
from components.node.payload import Entry, pack
from components.node.scripts import TRAVELLING, path, text, travelling, without_comments


def test_an_archive_depends_on_its_entries_only() -> None:
    entries = [Entry("b", "2"), Entry("a/c", "1", 0o600)]
    assert pack(entries) == pack(reversed(entries))
    assert pack(entries) != pack([Entry("b", "2"), Entry("a/c", "1", 0o640)])
    for file in unpack(pack(entries)).values():
        entry = file.entry
        assert (entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) == (0, 0, "", "", 0)


def test_an_archive_keeps_text_as_it_is() -> None:
    texts = {"empty": "", "umlaut": "ü\n", "no-line-break": "x", "long/" + "n" * 90: "y"}
    assert {path: file.content for path, file in unpack(pack(map(Entry, texts, texts.values()))).items()} == texts


def test_a_payload_is_the_same_every_time() -> None:
    assert cluster("stacked").payload("cp-1") == cluster("stacked").payload("cp-1")


def test_secrets_change_the_files_that_hold_them_and_nothing_else() -> None:
    made = cluster("stacked")
    first, second = unpack(made.payload("cp-1", secret="1")), unpack(made.payload("cp-1", secret="2"))
    assert first.keys() == second.keys()
    changed = {path for path in first if first[path].content != second[path].content}
    assert changed == {file.path for file in made.part("cp-1").files if isinstance(file.content, Ref)}


def test_a_payload_has_every_file_and_unit_as_planned() -> None:
    made = cluster("one_master")
    part, files = made.part("node1"), unpack(made.payload("node1"))
    for file in part.files:
        wanted = f"{file.content.name}\n" if isinstance(file.content, Ref) else file.content
        assert (files[file.path].content, files[file.path].mode) == (wanted, file.mode)
    for unit in part.units:
        assert files[f"units/{unit.name}"].content == unit.text
        assert files[f"health/{unit.name}"].content == f"{unit.health}\n"
        assert (f"leave/{unit.name}" in files) == bool(unit.leave)
    scripts = {f"{name}.sh": without_comments(text(name)) for name in TRAVELLING}
    for name, content in scripts.items():
        assert (files[name].content, files[name].mode) == (content, 0o755)
    rest = set(files) - {file.path for file in part.files} - set(scripts)
    assert {path.partition("/")[0] for path in rest} == {"units", "health", "leave", "tables"}


@pytest.mark.parametrize("name", TRAVELLING)
def test_a_script_without_comments_does_the_same(name: str, tmp_path: Path) -> None:
    """Bash prints what it has read, without comments."""
    short = tmp_path / "short.sh"
    short.write_text(without_comments(text(name)))
    assert _as_read(short) == _as_read(path(name))
    assert short.stat().st_size < path(name).stat().st_size


def test_only_servers_get_the_scripts_of_servers() -> None:
    made = cluster("dedicated_etcd")
    of_worker = {file for file in unpack(made.payload("worker-2")) if file.endswith(".sh") and "/" not in file}
    for server in ("etcd-1", "cp-2"):
        assert {f"{name}.sh" for name in TRAVELLING} <= set(unpack(made.payload(server)))
    assert of_worker == {f"{name}.sh" for name in travelling([])} < {f"{name}.sh" for name in TRAVELLING}
    # Scripts that another script of a worker reads.
    assert not {"backup.sh", "restore.sh", "settle.sh", "grant.sh", "defrag.sh", "snapshots.sh"} & of_worker


def test_tables_are_records_of_words() -> None:
    """`apply.sh` reads them with `read`: a field with white space, or an empty one, would move all behind it."""
    fields = {
        "units": 3,
        "artifacts": 5,
        "versions": 2,
        "directories": 3,
        "readers": 2,
        "users": 1,
        "commands": 1,
        "network": 2,
        "certificates": 3,
    }
    for node in cluster("dedicated_etcd").topology.nodes:
        files = unpack(cluster("dedicated_etcd").payload(node.name, "https://mirror.example.com/hardway"))
        assert {path.removeprefix("tables/") for path in files if path.startswith("tables/")} == set(fields)
        for table, count in fields.items():
            for line in files[f"tables/{table}"].content.splitlines():
                assert [bool(word) for word in line.split(" ")] == [True] * count, (table, line)


def test_the_table_of_artifacts_has_the_mirror_and_the_place_of_each_program() -> None:
    made = cluster("stacked")
    rows = [line.split() for line in unpack(made.payload("cp-1"))["tables/artifacts"].content.splitlines()]
    assert all(row[2].startswith("http://mirror/files/") for row in rows)
    places = {row[3]: (row[1], row[4]) for row in rows}
    assert len(places) == len(rows), "two programs with one name"
    assert places["kubelet"] == ("-", "-")
    assert places["etcdctl"] == ("-", "-")
    assert places["ctr"] == ("tar.gz", "bin/ctr")
    assert places["cni/bridge"] == ("tar.gz", "bridge")
    assert places["cni/flannel"] == ("-", "-")
    # The programs of one archive are one download.
    assert len({row[0] for row in rows if row[1] == "tar.gz"}) == 3


def _as_read(script: Path) -> list[str]:
    done = subprocess.run(["bash", "--pretty-print", script], capture_output=True, check=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line]
    assert len(lines) > 10
    return lines
