"""A connection that stays open between two requests, from the network of a pod."""

from tests.e2e.support.machines import Machine


class KeptConnection:
    """A connection of a pod that is kept open, by a shell of the pod's machine in the network of the pod."""

    def __init__(self, machine: Machine, network: str, host: str, port: int) -> None:
        self._machine = machine
        script = (
            f"exec 3<>/dev/tcp/{host}/{port}\n"
            "while read -r _ </run/kept.ask; do\n"
            "    printf 'GET /hostname HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3\n"
            "    answer=; read -r -t 5 answer <&3; read -r -t 1 -N 2000 rest <&3\n"
            "    printf '%s\\n' \"${answer%?}\" >/run/kept.answer\n"
            "done\n"
        )
        self._machine.run(
            "mkfifo /run/kept.ask /run/kept.answer; chmod 0666 /run/kept.*; cat >/run/kept.sh", stdin=script
        )
        # As nobody: connections of root are no business of policies where a node sees who has made them.
        into = f"--property=NetworkNamespacePath={network} --uid=65534"
        self._machine.run(f"systemd-run --quiet --unit kept {into} bash /run/kept.sh").ok()

    def ask(self) -> str:
        """The first line of the answer to one more request."""
        return self._machine.run("echo >/run/kept.ask; cat /run/kept.answer", timeout=20).ok().strip()

    def close(self) -> None:
        """End the connection."""
        self._machine.run("systemctl stop kept; rm -f /run/kept.*").ok()
