"""Servers of files for a test: without TLS, and with an authority that this process trusts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from publisher import Publisher, authority, publishing


@pytest.fixture
def plain() -> Iterator[Publisher]:
    """A registry, or a host of files without TLS."""
    with publishing() as server:
        yield server


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A host of files whose authority this process trusts."""
    certificate, context = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with publishing(context) as server:
        yield server
