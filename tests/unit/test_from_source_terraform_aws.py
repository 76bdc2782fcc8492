"""Finding a Terraform AWS provider."""

from pathlib import Path

import pytest

from tools.from_source import terraform_aws


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(terraform_aws.VARIABLE, raising=False)
    monkeypatch.delenv("TF_PLUGIN_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def provider(folder: Path, name: str = "terraform-provider-aws_v5.100.0_x5", mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.touch(mode=mode)
    file.chmod(mode)
    return file


def test_the_variable_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider(home / ".terraform.d" / "plugins")
    monkeypatch.setenv(terraform_aws.VARIABLE, "/elsewhere/provider")
    assert terraform_aws.find() == Path("/elsewhere/provider")


def test_the_plugin_cache_comes_before_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider(home / ".terraform.d" / "plugins")
    cached = provider(home / "cache" / "registry.terraform.io" / "hashicorp" / "aws" / "5.100.0" / "linux_amd64")
    monkeypatch.setenv("TF_PLUGIN_CACHE_DIR", str(home / "cache"))
    assert terraform_aws.find() == cached


def test_a_provider_below_the_home_is_found(home: Path) -> None:
    file = provider(home / ".terraform.d" / "plugins" / "linux_amd64")
    assert terraform_aws.find() == file


def test_other_versions_and_files_that_do_not_run_are_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terraform_aws, "_folders", lambda: iter([home]))
    provider(home / "a", "terraform-provider-aws_v6.1.0_x5")
    provider(home / "b", mode=0o644)
    assert terraform_aws.find() is None
    assert terraform_aws.VARIABLE in terraform_aws.missing()
