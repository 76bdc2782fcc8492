"""Go builds, with a real one of a tiny module."""

import shutil
import subprocess
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.common.progress import Progress
from tools.common.store import Store, file_digest
from tools.from_source import catalogue, gobuild
from tools.from_source.catalogue import Program

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="no Go on this machine: nothing can be built here")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.invalid/hello\n\ngo 1.21\n")
    (module / "go.sum").write_text("")
    (module / "main.go").write_text(
        textwrap.dedent("""
            package main

            import "os"

            var version = "none"

            func main() { os.Stdout.WriteString(version) }
        """)
    )
    (module / "notes.txt").write_text("no input of the build")
    return Program("hello", "1.2.3", str(module), ".", stamps=("main.version=v1.2.3",))


@needs_go
def test_program_is_built_stamped_recorded_and_kept(program: Program, tmp_path: Path) -> None:
    store, progress = Store(tmp_path / "store"), Progress("hello")
    file = gobuild.build(program, store, progress)
    assert subprocess.run([file], capture_output=True, text=True, check=True).stdout == "v1.2.3"
    assert gobuild.sha256(file) == file_digest(file)
    assert sorted(path.name for path in file.parent.iterdir()) == ["hello", "sha256.json"]
    before = file.stat().st_mtime_ns
    assert gobuild.build(program, store, progress) == file == gobuild.find(program, store)
    assert file.stat().st_mtime_ns == before


@needs_go
def test_failed_build_shows_the_end_of_its_log(program: Program, tmp_path: Path) -> None:
    Path(program.folder, "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    store = Store(tmp_path / "store")
    with pytest.raises(ToolError, match=r"(?s)failed with exit code 1.*undefined: undefined"):
        gobuild.build(program, store, Progress("hello"))
    assert gobuild.find(program, store) is None


@needs_go
def test_digest_sees_sources_and_entry_only(program: Program) -> None:
    def digest(entry: Program = program) -> str:
        gobuild.digest.cache_clear()
        gobuild.sources_digest.cache_clear()
        gobuild._sources.cache_clear()
        return gobuild.digest(entry)

    first = digest()
    Path(program.folder, "notes.txt").write_text("still none")
    assert digest() == first
    Path(program.folder, "go.sum").write_text("\n")
    assert (second := digest()) != first
    Path(program.folder, "more.go").write_text("package main\n")
    assert digest() not in {first, second}
    assert digest(Program("hello", "1.2.3", program.folder, ".", stamps=("main.version=v2",))) != digest()


@needs_go
def test_a_test_binary_is_built_without_vet(program: Program, tmp_path: Path) -> None:
    """`go test -c` would vet every package that it needs, which takes longer than the build."""
    Path(program.folder, "main_test.go").write_text(
        'package main\n\nimport "testing"\n\nfunc TestVersion(t *testing.T) { println("tested " + version) }\n'
    )
    stamps = ("example.invalid/hello.version=v1.2.3",)
    tests = replace(program, name="hello.test", stamps=stamps, is_test=True)
    file = gobuild.build(tests, Store(tmp_path / "store"), Progress("hello.test"))
    done = subprocess.run([file, "-test.v"], capture_output=True, text=True, check=True)
    assert "tested v1.2.3" in done.stderr and "--- PASS: TestVersion" in done.stdout
    assert gobuild.go_command(tests)[:4] == ["go", "test", "-c", "-vet=off"]


@needs_go
def test_a_program_and_the_tests_of_its_package_have_two_digests(program: Program) -> None:
    assert gobuild.digest(replace(program, is_test=True)) != gobuild.digest(program)


def test_programs_with_c_are_linked_statically() -> None:
    command = gobuild.go_command(catalogue.FLANNELD)
    assert '-linkmode external -extldflags "-static"' in command[command.index("-ldflags") + 1]
    assert command[command.index("-tags") + 1] == "netgo,osusergo"
    assert gobuild.environment(catalogue.FLANNELD)["CGO_ENABLED"] == "1"
    assert gobuild.environment(catalogue.COREDNS)["CGO_ENABLED"] == "0"


def test_settings_of_the_user_reach_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", "https://proxy.example.invalid")
    monkeypatch.setenv("GOFLAGS", "-v")
    environment = gobuild.environment(catalogue.COREDNS)
    assert environment["GOPROXY"] == "https://proxy.example.invalid" and environment["GOFLAGS"] == "-v"
