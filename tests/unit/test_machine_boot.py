"""What a local machine does when it boots: nothing leaves the lab, unless upstream is where its programs come from."""

import subprocess
from pathlib import Path

import pytest

from components.machines.host_facts import HostFacts
from components.machines.local import machine_files
from tools.node_image import FILES

_IP = """\
#!/bin/sh
echo "$*" >>"$(dirname "$0")/told"
case $* in
"-4 -o address show scope global") echo '2: eth0    inet 10.100.7.11/24 brd 10.100.7.255 scope global eth0' ;;
"link show out") exit 1 ;;
esac
"""


def boot(folder: Path, connected: bool) -> list[str]:
    """Run the boot script with stand-ins for `mount` and `ip`, and give what the latter was told to change."""
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


@pytest.mark.parametrize(("mirror", "connected"), [("/m", False), (None, True)])
def test_a_machine_without_a_mirror_is_connected(mirror: str | None, connected: bool) -> None:
    facts = HostFacts(("podman",), "localhost/hardway-node:1", mirror, None)
    files = {entry.path: entry for entry in machine_files("private", "public", facts)}
    assert ("etc/hardway/connected" in files) == connected
    assert files["etc/ssh/ssh_host_ed25519_key"].mode == files["root/.ssh/authorized_keys"].mode == 0o600
