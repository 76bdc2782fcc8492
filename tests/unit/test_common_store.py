"""The store: every output in it is complete, also after a process was killed."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tools.common.store import Store, digest_of, folder_digest, place, recorded, write_atomically, write_record

CLONE = Path(__file__).parents[2]
DIGEST = "0123456789abcdef0123"


def fill(folder: Path) -> None:
    (folder / "program").write_text("complete")


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, cwd=CLONE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


HALF_DONE = """
    import sys, time
    from pathlib import Path
    from tools.common.store import Store

    def build(folder):
        (folder / "program").write_text("half")
        print("half", flush=True)
        time.sleep(60)

    Store(Path(sys.argv[1])).make(sys.argv[2], sys.argv[3], build)
"""


def half_done(root: Path, name: str) -> subprocess.Popen[str]:
    process = start(HALF_DONE, root, name, DIGEST)
    assert process.stdout and process.stdout.readline() == "half\n"
    return process


def temporary(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".tmp").iterdir())


def test_finished_output_is_not_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.make("thing", DIGEST, fill)
    assert first == tmp_path / "thing-0123456789abcdef"
    assert store.make("thing", DIGEST, lambda _: pytest.fail("built twice")) == first
    assert (first / "program").read_text() == "complete"


def test_another_digest_is_another_output(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make("thing", DIGEST, fill)
    assert not store.has("thing", "f" * 20)
    assert store.make("thing", "f" * 20, fill) != store.path("thing", DIGEST)


def test_killed_build_is_invisible_and_is_resumed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with half_done(tmp_path, "thing") as process:
        process.kill()
    assert not store.has("thing", DIGEST)
    assert temporary(tmp_path) == ["thing-0123456789abcdef"]
    made = store.make("thing", DIGEST, fill)
    assert (made / "program").read_text() == "complete"
    assert temporary(tmp_path) == []


def test_what_a_killed_build_left_goes_with_the_next_build_of_anything(tmp_path: Path) -> None:
    with half_done(tmp_path, "thing") as process:
        process.kill()
    Store(tmp_path).make("other", DIGEST, fill)
    assert temporary(tmp_path) == []


def test_a_running_build_keeps_its_folder(tmp_path: Path) -> None:
    with half_done(tmp_path, "thing") as process:
        Store(tmp_path).make("other", DIGEST, fill)
        assert temporary(tmp_path) == ["thing-0123456789abcdef"]
        process.kill()


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_failed_or_interrupted_build_leaves_nothing(tmp_path: Path, failure: type[BaseException]) -> None:
    def build(folder: Path) -> None:
        fill(folder)
        (folder / "locked").mkdir(mode=0o500)
        raise failure

    store = Store(tmp_path)
    with pytest.raises(failure):
        store.make("thing", DIGEST, build)
    assert temporary(tmp_path) == [] and not store.has("thing", DIGEST)
    store.make("thing", DIGEST, fill)


def test_two_processes_build_once(tmp_path: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from tools.common.store import Store

        def build(folder):
            print("built", flush=True)
            while not Path(sys.argv[2]).exists():
                time.sleep(0.02)

        Store(Path(sys.argv[1])).make("thing", "0" * 20, build)
    """
    arguments = script, tmp_path / "store", tmp_path / "go"
    with start(*arguments) as first:
        assert first.stdout and first.stdout.readline() == "built\n"
        with start(*arguments) as second, start(*arguments) as third:
            for waiting in (second, third):
                assert waiting.stderr and "waiting for it" in waiting.stderr.readline()
            (tmp_path / "go").touch()
            answers = [process.communicate() for process in (first, second, third)]
    assert [process.returncode for process in (first, second, third)] == [0, 0, 0]
    assert [out for out, _ in answers] == ["", "", ""]


def test_lock_ends_with_its_holder(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from tools.common.store import Store
        with Store(Path(sys.argv[1])).exclusive("go-build"):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    with start(script, tmp_path) as process:
        assert process.wait() == -signal.SIGKILL
    with (tmp_path / ".locks" / "go-build").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_only_so_many_do_the_same_at_the_same_time(tmp_path: Path) -> None:
    store, third = Store(tmp_path), threading.Event()

    def wait() -> None:
        with store.one_of("go-build", 2):
            third.set()

    thread = threading.Thread(target=wait)
    with store.one_of("go-build", 2):
        with store.one_of("go-build", 2):
            thread.start()
            assert not third.wait(0.5)
        assert third.wait(10)
    thread.join()


def test_digest_is_stable_and_sees_every_input() -> None:
    assert digest_of("a", {"x": 1, "y": [2]}) == digest_of("a", {"y": [2], "x": 1})
    assert digest_of("a", {"x": 1, "y": [2]}).startswith("0537a28edd5adf95")
    others = [digest_of("a", {"x": 1, "y": [3]}), digest_of("b", {"x": 1, "y": [2]}), digest_of("a"), digest_of(["a"])]
    assert len({digest_of("a", {"x": 1, "y": [2]}), *others}) == 5


def test_folder_digest_counts_names_and_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    both = folder_digest({"x": tmp_path / "a", "y": tmp_path / "b"})
    assert both == folder_digest({"y": tmp_path / "b", "x": tmp_path / "a"})
    assert both != folder_digest({"x": tmp_path / "b", "y": tmp_path / "a"})


def test_record_names_every_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("")
    write_record(tmp_path)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert recorded(tmp_path) == {"sub/file": empty}


def test_place_links_replaces_and_is_idempotent(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_text("one")
    place(source, target)
    assert target.samefile(source)
    place(source, target)
    newer = tmp_path / "newer"
    newer.write_text("other")
    place(newer, target)
    assert target.read_text() == "other" and source.read_text() == "one"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_written_file_is_never_wider_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    mask = os.umask(0)
    try:
        write_atomically(path, "new", 0o600)
    finally:
        os.umask(mask)
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    write_atomically(path, "new", 0o600)
    assert path.stat().st_ino == before
