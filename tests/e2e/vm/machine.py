"""A virtual machine in QEMU's software emulation: a process of this host, with ports on 127.0.0.1 only.

The wire of the machine ends in this process: the machine reaches nothing but the ports that are named here
(`restrict=on`, https://www.qemu.org/docs/master/system/invocation.html#hxtool-5).
"""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.machines.ssh import arguments, pinned
from tests.e2e.support.process import Answer, ask, stop
from tests.e2e.vm import image
from tests.e2e.vm.image import ADDRESS, MachineDisk
from tests.wait import eventually

PROCESSORS, MEMORY_MIB = 2, 4096
BOOT_SECONDS = 300


@dataclass(frozen=True)
class Wire:
    """What passes the wire. `into` maps ports of the machine to ports on 127.0.0.1 of this host.

    `out` maps ADDRESS:PORT, as the machine sees it, to a port on 127.0.0.1 of this host.
    """

    into: Mapping[int, int]
    out: Mapping[str, int]

    def option(self) -> str:
        """The value of QEMU's option -nic."""
        parts = ["user", "model=virtio-net-pci", "restrict=on"]
        parts += [f"hostfwd=tcp:127.0.0.1:{here}-{ADDRESS}:{there}" for there, here in self.into.items()]
        parts += [f"guestfwd=tcp:{there}-cmd:socat - TCP:127.0.0.1:{here}" for there, here in self.out.items()]
        return ",".join(parts)


@dataclass(frozen=True)
class VirtualMachine:
    """The machine, used as root by SSH, with the operator's key. `folder` is for files of the SSH client."""

    name: str
    address: str
    port: int
    key: Path
    host_key: str
    folder: Path

    def run(self, script: str, *, stdin: str = "", timeout: float = 120) -> Answer:
        """Run a POSIX script on the machine as root."""
        options = pinned(self.name, self.host_key, self.folder) | {
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            # The machine is slower than those for which the program's own client is made.
            "ConnectTimeout": "20",
            "LogLevel": "ERROR",
        }
        command = ["ssh", "-F", "none", *arguments(options), "-p", str(self.port), "-i", str(self.key)]
        # `sh -c` with the script as one word, because standard input may be that of the script.
        remote = f"sudo -n sh -c {shlex.quote(script)}"
        return ask([*command, f"{image.image.USER}@127.0.0.1", remote], stdin=stdin, timeout=timeout)

    def read(self, path: str) -> str:
        """The text of a file on the machine."""
        return self.run(f"cat '{path}'").ok()

    def boot_id(self) -> str:
        """What the kernel calls this boot (random(4))."""
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def answers(self, seconds: float = BOOT_SECONDS) -> None:
        """Wait until the machine takes commands."""
        eventually(lambda: self.run("true", timeout=30).ok(), seconds, f"{self.name} answers", every=2)

    def reboot(self, seconds: float = BOOT_SECONDS) -> None:
        """Shut down in order and boot again. Returns when the machine takes commands."""
        before = self.boot_id()
        # The connection ends before the answer comes.
        self.run("systemctl reboot", timeout=60)

        def booted() -> None:
            now = self.run("cat /proc/sys/kernel/random/boot_id", timeout=30).ok().strip()
            assert now != before, "the machine has not shut down yet"

        eventually(booted, seconds, f"{self.name} boots again", every=2)


@contextlib.contextmanager
def booted(name: str, disk: MachineDisk, seed: Path, wire: Wire, folder: Path) -> Iterator[int]:
    """The process of a virtual machine, during the body. `folder` has its console and the number of its process.

    What is written to the disks is lost at the end. `seed` is a tar file that the machine unpacks at its first boot. A
    machine that a killed run has left is ended first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pid_file = folder / "qemu.pid"
    end_left_over(pid_file)
    command = [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-pidfile", str(pid_file)),
        # Kernels hang under /dev/kvm of some hosts, also of those that have the file.
        *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"),
        *("-smp", str(PROCESSORS), "-m", str(MEMORY_MIB)),
        *("-kernel", str(disk.folder / image.KERNEL), "-initrd", str(disk.folder / image.INITRD)),
        *("-append", f"root=/dev/vda rw console=ttyS0 panic=10 systemd.hostname={name}"),
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-device", "virtio-rng-pci"),
    ]
    for path, drive in ((disk.folder / image.DISK, "root"), (disk.folder / image.SWAP, "swap"), (seed, "seed")):
        command += ["-drive", f"file={path},format=raw,if=virtio,snapshot=on,cache=unsafe,id={drive}"]
    command += ["-nic", wire.option()]
    # What is written to the disks is in a file of this folder without a name.
    environment = {**os.environ, "TMPDIR": str(folder)}
    with (folder / "qemu.log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        time.sleep(1)
        assert process.poll() is None, f"QEMU ended with {process.returncode}: {(folder / 'qemu.log').read_text()}"
        yield process.pid
    finally:
        stop(process)
        pid_file.unlink(missing_ok=True)


def end_left_over(pid_file: Path) -> None:
    """End the machine that a killed run has left, if the process with the number of the file is that machine."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    arguments = Path(f"/proc/{pid}/cmdline")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if str(pid_file).encode() in arguments.read_bytes().split(b"\0"):
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not arguments.exists() or not arguments.read_bytes(), 20, f"process {pid} ends")
    pid_file.unlink()
