"""Text of systemd units: words of ExecStart, and whole units as systemd itself reads them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from clusters import NAMES, cluster

from components.machines.gateway import gateway_files
from components.node.render.systemd import SANDBOX, flags, quote, service

# A value, and the word which systemd 252 made a program's argument of exactly that value from (tried on a machine).
QUOTED = {
    "plain": "plain",
    "": "",
    "a=b,c=d": "a=b,c=d",
    "#x": "#x",
    "a b": '"a b"',
    " around ": '" around "',
    "tab\there": '"tab\there"',
    'say "hi"': r'"say \"hi\""',
    "it's": '"it\'s"',
    ";": '";"',
    "100%": "100%%",
    "%h": "%%h",
    "$HOME": "$$HOME",
    "${HOME}": "$${HOME}",
    "a\\b": r'"a\\b"',
    r"\x41\n": r'"\\x41\\n"',
    "\\": r'"\\"',
    '{"a": "b c"}': r'"{\"a\": \"b c\"}"',
    "a b %h $x \"q\" \\t 's'": r'''"a b %%h $$x \"q\" \\t 's'"''',
}


@pytest.mark.parametrize(("value", "word"), QUOTED.items())
def test_quote(value: str, word: str) -> None:
    assert quote(value) == word


def test_flags_are_sorted_and_the_page_wins() -> None:
    assert flags({"b": "1", "a": "x y"}, {"c": "3", "b": "2"}) == ['--a="x y"', "--b=2", "--c=3"]


def test_a_flag_of_the_page_is_one_word_of_its_unit() -> None:
    args = {"extraArgs.kube-scheduler": {"vmodule": "a=1,b=2", "leader-elect-resource-name": "5 s %$"}}
    units = {unit.name: unit.text for unit in cluster("stacked", args).part("cp-1").units}
    assert '\n  --leader-elect-resource-name="5 s %%$$" \\\n' in units["kube-scheduler.service"]
    assert "leader-elect-resource-name" not in units["kube-controller-manager.service"]


def test_only_a_user_brings_the_sandbox() -> None:
    def text(user: str | None) -> list[str]:
        command = ["/bin/one", "--flag"]
        return service(description="One", documentation="https://x", command=command, user=user, writes=["/d"]).split(
            "\n"
        )

    as_root, as_user = text(None), text("one")
    assert not [line for line in (*SANDBOX, "User=", "ReadWritePaths=") if any(line in other for other in as_root)]
    assert {"User=one", "ReadWritePaths=/d", *SANDBOX} <= set(as_user)
    assert "ExecStart=/bin/one \\" in as_user


def test_lines_end_and_sections_are_complete() -> None:
    for name in NAMES:
        for node in cluster(name).topology.nodes:
            for unit in cluster(name).part(node.name).units:
                assert unit.text.endswith("\n"), unit.name
                sections = re.findall(r"^\[(.*)\]$", unit.text, re.M)
                assert sections[0] == "Unit"
                assert len(set(sections)) == len(sections)
                assert not re.search(r"[^\S\n]$", unit.text, re.M), f"{unit.name} has white space at the end of a line"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize("name", [*NAMES, "gateway"])
def test_systemd_reads_every_unit_without_a_warning(name: str, tmp_path: Path) -> None:
    texts: dict[str, str] = {}
    if name == "gateway":
        files = {f"/{entry.path}": entry.content for entry in gateway_files(cluster("stacked").topology)}
        texts = {Path(path).name: text for path, text in files.items() if path.endswith(".service")}
    else:
        for node in cluster(name).topology.nodes:
            texts |= {unit.name: unit.text for unit in cluster(name).part(node.name).units}
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit, text in texts.items():
        (units / unit).write_text(text)
        for program in re.findall(r"^Exec\w+=(/\S+)", text, re.M):
            (tmp_path / program[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / program[1:]).touch(0o755)
    for needed in ("network-online.target", "multi-user.target", "sysinit.target", "basic.target", "shutdown.target"):
        (units / needed).write_text("[Unit]\nDescription=A target of the operating system\n")
    command = ["systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", *(str(units / unit) for unit in texts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
