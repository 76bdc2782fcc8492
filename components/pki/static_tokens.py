"""The file with static tokens: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from components.config.logins import StaticToken


def tokens_file(tokens: Sequence[StaticToken]) -> str:
    """One line for each user: token, name, uid, and the groups in one field. The uid is the name."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for one in tokens:
        groups = [",".join(one.groups)] if one.groups else []
        lines.writerow([one.token, one.name, one.name, *groups])
    return text.getvalue()
