"""Pages that give authorities, and what is wrong with them."""

from typing import Any

import pytest
from conftest import changed, page_values

from components.config import ConfigError, Page, load

PATH = "hardway:authorities.kubernetes[0]"
CHAIN = "the certificate of the authority, then its issuers in order, at the end the root, which signs itself"
THE = "the certificate 'CN=Org Kubernetes CA,O=Org'"


def values(change: dict[str, Any]) -> dict[str, Any]:
    return changed(page_values("stacked"), change)


def page(*given: dict[str, Any], name: str = "kubernetes", **generations: Any) -> Page:
    found = values({f"authorities.{name}": list(given), "pki.generations": generations})
    return load(found, secret=("authorities",))


def messages(*given: dict[str, Any], **more: Any) -> list[str]:
    """What is wrong with a page. No message has a part of a key."""
    with pytest.raises(ConfigError) as raised:
        page(*given, **more)
    lines = str(raised.value).splitlines()
    for one in given:
        for secret in str(one.get("privateKey", "")).splitlines():
            assert len(secret) < 20 or secret not in str(raised.value) or secret.startswith("-----")
    return lines


def both(trusted: list[int], active: int) -> dict[str, Any]:
    return {"trusted": trusted, "active": active}
