"""The command line: arguments for Pulumi, refused arguments, and no imports without need."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import cli
from tools.common.errors import ToolError
from tools.common.paths import this_clone
from tools.from_source.builder import Builder
from tools.operate.stack import Stack

PULUMI_COMMANDS = ("up", "preview", "renew", "destroy", "outputs")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Records the calls of commands. A stack named `broken` fails with Pulumi's exit code 255."""
    found: list[tuple[str, ...]] = []

    def method(name: str) -> object:
        def run(stack: Stack, arguments: Sequence[str]) -> int:
            found.append((name, stack.name, *arguments))
            return 255 if stack.name == "broken" else 0

        return run

    for name in PULUMI_COMMANDS:
        monkeypatch.setattr(Stack, name, method(name))

    def build(builder: Builder) -> None:
        page = builder.upstream.name if builder.upstream else ""
        found.append(("build", *builder.kubernetes, page, str(builder.local)))

    monkeypatch.setattr(Builder, "run", build)
    return found


@pytest.mark.parametrize("command", PULUMI_COMMANDS)
def test_what_a_command_does_not_know_goes_to_pulumi_in_its_order(command: str, called: list[tuple[str, ...]]) -> None:
    more = ["--policy-pack", "policies", "-v=9", "--target-dependents", "name"]
    assert cli.main([command, *more[:2], "--stack", "prod", *more[2:]]) == 0
    assert called == [(command, "prod", *more)]


def test_exit_code_of_pulumi_is_that_of_the_command(called: list[tuple[str, ...]]) -> None:
    assert cli.main(["up", "--stack=broken"]) == 255


def test_a_build_comes_before_the_command(called: list[tuple[str, ...]]) -> None:
    assert cli.main(["build", "--kubernetes", "1.36.4", "then", "up", "--", "then"]) == 0
    assert called == [("build", "1.36.4", "", "True"), ("up", "dev", "then")]


def test_machines_elsewhere_need_nothing_of_this_host(
    called: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["build", "--stack", "onprem"]) == 0
    assert capsys.readouterr().err == (
        "programs and images of nodes: release files of upstream, because the page names no mirror\n"
    )
    assert cli.main(["build"]) == 0
    assert [call[2:] for call in called] == [("Pulumi.onprem.yaml", "False"), ("", "True")]


def test_a_stack_without_a_page_is_named(called: list[tuple[str, ...]]) -> None:
    with pytest.raises(
        ToolError, match=r"^there is no page Pulumi\.prod\.yaml for stack 'prod'; stacks with a page: \["
    ):
        cli.main(["build", "--stack", "prod", "then", "up", "--stack", "prod"])
    assert called == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["up-and-away"],
        ["env", "--json"],
        ["certificates", "--json"],
        ["build", "--kubernetes", "1.2.3", "then", "up"],
        ["replace", "--stack", "dev"],
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], called: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert called == [] and "Error: " in capsys.readouterr().err


def test_a_command_starts_without_what_it_does_not_need() -> None:
    code = (
        "import sys\nfrom tools import cli\n"
        "import tools.operate.stack, tools.operate.envsh, tools.from_source.builder\n"
        "print(*{'yaml', 'pydantic', 'pulumi', 'urllib.request', 'argparse', 'tools.report.read'} & sys.modules.keys())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=this_clone().root, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []


def test_a_recorded_preview_becomes_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "preview.json").write_text('{"steps": []}')
    assert cli.main(["report", str(tmp_path / "preview.json")]) == 0
    assert capsys.readouterr().out.startswith("<!-- hardway preview of stack")
    (tmp_path / "preview.json").write_text("nothing\n")
    with pytest.raises(ToolError, match=r"preview\.json: line 1 is not JSON"):
        cli.main(["report", str(tmp_path / "preview.json")])


def test_a_variable_that_is_not_used_any_more_is_told() -> None:
    command = ["make", "-s", "-n", "up", "UPSTREAM=1"]
    done = subprocess.run(command, cwd=this_clone().root, capture_output=True, text=True, check=True)
    assert done.stderr.startswith("UPSTREAM is not used any more: artifacts.source on the page says what nodes get, ")
    assert done.stderr.count("\n") == 1
    assert "UPSTREAM" not in done.stdout and "--upstream" not in done.stdout
