"""The nginx of local machines, run on this host: Debian's program with Debian's loader and libraries."""

import contextlib
import http.client
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.architecture import of_this_machine
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import node_image
from tools.from_source.images import LIBRARIES, LOADERS


def command(folder: Path) -> list[str] | None:
    """The command line of nginx: the one on PATH, or the one in the image of local machines; None if there is none."""
    if found := shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"):
        return [found]
    tar = Store(shared_cache() / "store").path("machine", node_image.digest()) / node_image.TAR
    if not tar.is_file():
        return None
    libraries = LIBRARIES[of_this_machine()]
    wanted = ["./usr/sbin/nginx", f"./{libraries}"]
    subprocess.run(["tar", "-xf", str(tar), "-C", str(folder), *wanted], check=True)
    loader = folder / libraries / Path(LOADERS[of_this_machine()]).name
    return [str(loader), "--library-path", str(folder / libraries), str(folder / "usr/sbin/nginx")]


@contextlib.contextmanager
def serving(program: list[str], folder: Path, config: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run nginx with a configuration whose paths begin in `folder`. Yield its master process, and end it at the end."""
    # The folders that Debian's package makes.
    own = "".join(f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "test.conf").write_text(config.replace("http {\n", f"http {{\n{own}"))
    with running([*program, "-p", str(folder), "-c", "test.conf", "-e", "stderr"], folder / "log", port) as process:
        yield process


@contextlib.contextmanager
def running(line: list[str], log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that listens on a port of 127.0.0.1, until the end of the block."""
    with log.open("w") as output:
        process = subprocess.Popen(line, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        else:
            raise AssertionError(log.read_text())
        yield process
    finally:
        process.terminate()
        process.wait()


def ask(port: int, path: str, method: str = "GET", accept: str = "*/*") -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of an answer of 127.0.0.1."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Accept": accept})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
