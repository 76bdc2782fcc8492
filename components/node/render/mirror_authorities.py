"""The authorities of the page that verify mirrors: one file for containerd and for the script that fetches programs."""

from __future__ import annotations

from components.config import Page
from components.node.model import NodeFile

AUTHORITIES = "cfg/mirror-ca.pem"


def authorities_file(page: Page) -> NodeFile | None:
    """Certificates in PEM. None if the page names no authority."""
    authorities = page.artifacts.authorities
    return NodeFile(AUTHORITIES, authorities) if authorities else None
