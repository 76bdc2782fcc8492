"""Flags that hardway refuses: each flag exists, and the kubelet has no flag that undoes a field of its file."""

import functools
import re
import subprocess

import pytest

from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS
from components.config.kubelet_flags import FIELDS
from tools.common.paths import shared_cache

NOT_IN_HELP = {"etcd": {"config-file"}}
"""etcd prints this flag in a form of its own."""
IN_FILE = "DEPRECATED: This parameter should be set via the config file"


@functools.cache
def help_of(program: str) -> tuple[str, ...]:
    """What `--help` of each built version prints, a paragraph for each flag."""
    found = []
    for path in sorted((shared_cache() / "store").glob(f"{program}-[0-9]*/{program}")):
        done = subprocess.run([path, "--help"], capture_output=True, text=True, check=False, timeout=60)
        found.append(done.stdout + done.stderr)
    if not found:
        pytest.skip(f"{program} is not built")
    return tuple(found)


def flags(text: str) -> dict[str, str]:
    """The flags in a help text, with their descriptions."""
    parts = re.split(r"(?m)^ +(?:-\w, )?--([a-z0-9-]+)", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("program", MANAGED_FLAGS)
def test_each_refused_flag_exists(program: str) -> None:
    """In one of the built versions. A wrong name would protect nothing."""
    known = set().union(*(flags(text) for text in help_of(program)))
    assert set(MANAGED_FLAGS[program]) - known - NOT_IN_HELP.get(program, set()) == set()


def test_each_flag_of_the_kubelet_that_is_a_field_is_refused() -> None:
    for text in help_of("kubelet"):
        twins = {flag for flag, about in flags(text).items() if IN_FILE in about}
        assert len(twins) > 90, "the text of the kubelet has another form"
        assert twins - set(MANAGED_FLAGS["kubelet"]) == set()


def test_a_refused_flag_names_the_field_or_the_key_of_the_page() -> None:
    refused = MANAGED_FLAGS["kubelet"]
    assert refused["max-pods"] == "extraConfig.kubelet.maxPods"
    assert refused["cluster-domain"] == "cluster.domain"
    assert refused["register-with-taints"] == "nodes[].taints"
    for flag in ("anonymous-auth", "authorization-mode", "read-only-port", "cgroup-driver", "healthz-port"):
        assert refused[flag] == "", flag


def test_no_refused_flag_leads_to_a_refused_field() -> None:
    """The message would name a field that the next message refuses."""
    for flag, field in FIELDS.items():
        if MANAGED_FLAGS["kubelet"][flag] == f"extraConfig.kubelet.{field}":
            assert field not in MANAGED_FIELDS["kubelet"], flag
