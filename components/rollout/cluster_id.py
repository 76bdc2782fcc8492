"""The identifier of a cluster: random, made once, and never changed by an edit of the page."""

from __future__ import annotations

import secrets

import pulumi

from components.pki.material import Material, public


def cluster_id() -> Material:
    """The identifier as a line of 16 hexadecimal digits. The first `up` records it in Pulumi's state."""
    made = pulumi.Stash("cluster-id", input=secrets.token_hex(8), opts=pulumi.ResourceOptions(ignore_changes=["input"]))
    return public(made.output.apply(lambda text: f"{text}\n"))
