"""What a local machine does when it boots: no packet leaves the local network, unless programs come from upstream."""

import subprocess
from pathlib import Path

from components.machines.local import machine_files
from tools.from_source.node_image import FILES

_IP = """\
#!/bin/sh
echo "$*" >>"$(dirname "$0")/told"
case $* in
"-4 -o address show scope global") echo '2: eth0    inet 10.100.7.11/24 brd 10.100.7.255 scope global eth0' ;;
"link show out") exit 1 ;;
esac
"""


def boot(folder: Path, connected: bool) -> list[str]:
    """Run the boot script with simulated `mount` and `ip`; returns the changes that `ip` was called for."""
    for name, text in (("ip", _IP), ("mount", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    if connected:
        (folder / "connected").touch()
    script = (FILES / "usr/local/lib/hardway/boot").read_text()
    assert "/etc/hardway/connected" in script
    script = script.replace("/etc/hardway", str(folder))
    subprocess.run(["sh", "-c", script], check=True, timeout=10, env={"PATH": f"{folder}:/usr/bin:/bin"})
    told = (folder / "told").read_text().splitlines() if (folder / "told").exists() else []
    return [line for line in told if " show " not in line]


def test_the_default_route_leads_nowhere(tmp_path: Path) -> None:
    assert boot(tmp_path, connected=False) == [
        "link add out type bridge",
        "link set out up",
        "-4 route flush exact default",
        "route add default dev out src 10.100.7.11",
    ]


def test_a_machine_that_fetches_from_upstream_keeps_its_route(tmp_path: Path) -> None:
    assert boot(tmp_path, connected=True) == []


def test_files_of_a_machine() -> None:
    files = {entry.path: entry for entry in machine_files("private", "public")}
    assert set(files) == {"etc/ssh/ssh_host_ed25519_key", "root/.ssh/authorized_keys"}
    assert {entry.mode for entry in files.values()} == {0o600}
