"""A query to AWS before anything is created. If AWS does not answer, the program ends with one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import pulumi

from components.config.aws import AwsSection

T = TypeVar("T")


def ask(what: str, machines: AwsSection, call: Callable[[], T]) -> T:
    """The answer of `call`. Raises pulumi.RunError: AWS does not tell `what`, and why."""
    try:
        return call()
    except Exception as error:
        raise pulumi.RunError(f"AWS in {machines.region} does not tell {what}: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    """The relevant part of the provider's message, on one line."""
    text = re.sub(r"\s+", " ", str(error)).strip()
    if re.search(r"no valid credential sources|NoCredentialProviders|failed to refresh cached credentials", text, re.I):
        return (
            "there are no credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or run where an IAM role provides them"
        )
    if refused := re.search(r"api error (\w+: [^:]+(?:: [^:]+)?)", text):
        return refused[1].rstrip(". ")
    return text[:300]
