"""The architectures of processors, with the names that Go, Kubernetes and release files use (GOARCH)."""

import platform
from typing import Literal, get_args

Architecture = Literal["amd64", "arm64"]
AMD64: Architecture = "amd64"
ARM64: Architecture = "arm64"
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

# `uname -m` of Linux and of macOS.
_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def of_this_machine() -> str:
    """The architecture of this machine's processor. If hardway does not know the processor: its name."""
    return _PROCESSORS.get(platform.machine(), platform.machine())
