"""Secrets and certificates that node files refer to by name instead of holding them.

Rendering stays pure that way: a renderer writes `Ref(key_of("cp-1-apiserver"))`, and only the release resource
puts the value in its place. A release is identified by `identity`, which is never secret: a private key is
stood for by the certificate over it, a random value by the name of its generation.

`names.py` has the names.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Material:
    """`content`: the file's text, secret or not; `identity`: public text that changes whenever the content does."""

    content: pulumi.Output[str]
    identity: pulumi.Output[str]


def public(content: pulumi.Output[str]) -> Material:
    """Material that may be seen, such as a certificate: it is its own identity."""
    return Material(content=content, identity=content)


def private(content: pulumi.Output[str], stands_for: pulumi.Input[str]) -> Material:
    """Material that is secret, with the public text that stands for it."""
    return Material(content=pulumi.Output.secret(content), identity=pulumi.Output.from_input(stands_for))
