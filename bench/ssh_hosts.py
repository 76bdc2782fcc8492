"""SSH servers of this process that stand for hosts: they take what the program sends, wait, and say that it is done.

Nothing is done on any host. Each host has a port of its own on 127.0.0.1.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import asyncssh


@dataclass
class Hosts:
    """Running servers. `seconds` has how long each host needs for its stage, by name."""

    seconds: Mapping[str, float]
    ports: dict[str, int] = field(default_factory=dict)
    host_key: str = ""
    """The host key of all hosts, as a page has it."""
    login_key: str = ""
    """The private key with which the program may log in, in the form of OpenSSH."""
    taken: dict[str, int] = field(default_factory=dict)
    """Bytes that a host has got on standard input of commands."""
    staged: dict[str, float] = field(default_factory=dict)
    """When the stage of a host was done (time.monotonic)."""

    async def serve(
        self, name: str, host_key: asyncssh.SSHKey, login: asyncssh.SSHAuthorizedKeys
    ) -> asyncssh.SSHAcceptor:
        """Start the server of a host on a free port."""
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=login,
            process_factory=lambda process: self._command(name, process),
            encoding=None,
        )
        self.ports[name] = server.get_port()
        return server

    async def _command(self, name: str, process: asyncssh.SSHServerProcess[bytes]) -> None:
        said, asked = process.command or "", False
        async for line in process.stdin:
            self.taken[name] = self.taken.get(name, 0) + len(line)
            if line.startswith(b"request "):
                # The shell in which membership asks; a new cluster has no members that are left over.
                asked = True
                process.stdout.write(b"@end 0\n")
        if said.endswith("sh -s") and not asked:
            now = int(time.time())
            facts = {"clock-first": now, "clock": now, "hostname": name, "machine-id": name}
            process.stdout.write("".join(f"fact {key} {value}\n" for key, value in facts.items()).encode() + b"end\n")
        elif said == "cat /etc/machine-id":
            process.stdout.write(f"{name}\n".encode())
        elif "apply.sh stage" in said:
            await asyncio.sleep(self.seconds[name])
            self.staged[name] = time.monotonic()
        process.exit(0)


@contextlib.contextmanager
def serving(seconds: Mapping[str, float]) -> Iterator[Hosts]:
    """The servers of all hosts in `seconds`, in a thread of their own, until the body ends."""
    hosts, ready = Hosts(seconds), Future[asyncio.Event]()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        host_key, login = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        hosts.host_key = host_key.export_public_key().decode().strip()
        hosts.login_key = login.export_private_key().decode()
        known = asyncssh.import_authorized_keys(login.export_public_key().decode())
        servers = [await hosts.serve(name, host_key, known) for name in seconds]
        ended = asyncio.Event()
        ready.set_result(ended)
        await ended.wait()
        for server in servers:
            server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    ended = ready.result(60)
    try:
        yield hosts
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
