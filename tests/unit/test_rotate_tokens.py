"""Tokens in Secrets that a rotation would leave without their key."""

import base64
import json
from typing import Any

import pytest

from tools.rotate.tokens import key_id, signed_by_another_key


def token(**header: str) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", **header}).encode()).decode()
    return f"{encoded.rstrip('=')}.e30.c2ln"


def secret(name: str, text: str | None) -> dict[str, Any]:
    data = {"data": {"token": base64.b64encode(text.encode()).decode()}} if text is not None else {}
    return {"metadata": {"namespace": "shop", "name": name}} | data


@pytest.mark.parametrize("kid", ["k", "ke", "key", "s7obKBG6eN09ftCu54gFcEU3QAd81lI5uZrIou2Ep8k"])
def test_the_header_names_the_key(kid: str) -> None:
    assert key_id(token(kid=kid)) == kid


@pytest.mark.parametrize("text", ["", "no token", "e30.e30.x", "W10.e30.x", token()])
def test_other_texts_name_no_key(text: str) -> None:
    assert key_id(text) == ""


def test_only_tokens_of_other_keys_are_listed() -> None:
    """A Secret whose token the controller has not made yet holds nothing that could be refused."""
    secrets = [secret("new", token(kid="two")), secret("old", token(kid="one")), secret("empty", None)]
    assert signed_by_another_key(secrets, "two") == ["old in shop"]
