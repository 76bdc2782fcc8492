"""The environment for Pulumi: complete and quoted. Variables of the user stay."""

import subprocess
from pathlib import Path

import pytest

from components.artifacts.official_pulumi import ENGINE_MARKER, official
from tools.common.paths import Clone
from tools.operate import envsh


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    root = tmp_path / "it's a $clone"
    (root / ".cache" / "bin").mkdir(parents=True)
    return Clone(root)


def with_our_engine(clone: Clone) -> Clone:
    (clone.bin / ENGINE_MARKER).touch()
    return clone


def evaluated(text: str, name: str) -> str:
    command = ["/bin/sh", "-c", f'set -eu; eval "$1"; printf %s "${name}"', "sh", text]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}).stdout


def test_a_shell_understands_every_line(clone: Clone) -> None:
    user = {"PATH": "/usr/bin:/bin"}
    text = envsh.export_lines(with_our_engine(clone), "dev", user)
    for name, value in envsh.variables(clone, "dev", user).items():
        assert evaluated(text, name) == value


def test_values_belong_to_clone_and_stack(clone: Clone) -> None:
    values = envsh.variables(with_our_engine(clone), "prod", {"PATH": "/usr/bin"})
    root = clone.root
    assert values["PATH"] == f"{root}/.cache/bin:{root}/.venv/bin:/usr/bin"
    assert values["PULUMI_HOME"] == f"{root}/.cache/pulumi"
    assert values["PULUMI_BACKEND_URL"] == f"file://{root}/.state?metadata=skip"
    assert values["PULUMI_CONFIG_PASSPHRASE_FILE"] == f"{root}/.state/passphrase"
    assert values["PULUMI_STACK"] == "prod"
    assert values["KUBECONFIG"] == f"{root}/.state/prod/kubeconfig"
    assert values["KUBECACHEDIR"] == f"{root}/.state/prod/kube-cache"


def test_official_engine_keeps_its_home_and_gets_its_plugins(clone: Clone) -> None:
    values = envsh.variables(clone, "dev", {"PATH": "/usr/bin"})
    assert not {"PULUMI_HOME", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"} & values.keys()


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({"PULUMI_BACKEND_URL": "s3://state"}, "PULUMI_BACKEND_URL"),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "PULUMI_CONFIG_PASSPHRASE_FILE"),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/mine"}, "PULUMI_CONFIG_PASSPHRASE_FILE"),
    ],
)
def test_what_the_user_chose_stays(clone: Clone, chosen: dict[str, str], kept: str) -> None:
    assert kept not in envsh.variables(clone, "dev", {"PATH": "/usr/bin", **chosen})
    assert chosen.items() <= envsh.environment(clone, "dev", {"PATH": "/usr/bin", **chosen}).items()


def test_an_empty_backend_is_none(clone: Clone) -> None:
    values = envsh.variables(clone, "dev", {"PATH": "/usr/bin", "PULUMI_BACKEND_URL": ""})
    assert values["PULUMI_BACKEND_URL"] == f"file://{clone.root}/.state?metadata=skip"


def test_evaluating_again_or_in_another_clone_starts_afresh(clone: Clone, tmp_path: Path) -> None:
    user = {"PATH": "/usr/bin"}
    first = envsh.environment(with_our_engine(clone), "dev", user)
    assert envsh.environment(clone, "dev", first) == first
    other = Clone(tmp_path / "other")
    assert envsh.environment(other, "dev", first) == envsh.environment(other, "dev", user)


def test_passphrase_is_random_private_and_made_once(clone: Clone, tmp_path: Path) -> None:
    envsh.prepare_state(clone)
    passphrase = clone.state / "passphrase"
    first = passphrase.read_text()
    assert len(first.strip()) >= 32
    assert passphrase.stat().st_mode & 0o777 == 0o600 and clone.state.stat().st_mode & 0o777 == 0o700
    envsh.prepare_state(clone)
    assert passphrase.read_text() == first
    (tmp_path / "other").mkdir()
    other = Clone(tmp_path / "other")
    envsh.prepare_state(other)
    assert (other.state / "passphrase").read_text() != first


def engine(folder: Path, version: str, *, host: bool = True, ours: bool = False) -> Path:
    folder.mkdir()
    pulumi = folder / "pulumi"
    pulumi.write_text(f"#!/bin/sh\necho {version}\n")
    pulumi.chmod(0o755)
    if host:
        (folder / "pulumi-language-python").touch()
    if ours:
        (folder / ENGINE_MARKER).touch()
    return pulumi


def test_official_engine_is_the_first_that_fits(tmp_path: Path) -> None:
    engine(tmp_path / "ours", "v3.259.0", ours=True)
    engine(tmp_path / "old", "v3.199.0")
    engine(tmp_path / "alone", "v3.259.0", host=False)
    wanted = engine(tmp_path / "good", "v3.200.0")
    folders = [str(tmp_path / name) for name in ("ours", "old", "alone", "none", "good")]
    assert official(":".join(folders)) == wanted
    assert official(":".join(folders[:-1])) is None


def test_official_engine_may_be_a_link(tmp_path: Path) -> None:
    real = engine(tmp_path / "real", "v3.300.1")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(real)
    assert official(str(tmp_path / "bin")) == tmp_path / "bin" / "pulumi"
