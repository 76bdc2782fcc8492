"""Bootstrap tokens: the first credential of each kubelet.

Each node has its own token, which ends one hour after its creation.

https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pulumi

LIFETIME = timedelta(hours=1)
"""The time from the creation of a token to its end. A node that joins later uses its own identity instead of the token
(kubelet_credential.sh)."""
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class BootstrapToken:
    """A token. `id` is public, `secret` is not; `end` is in seconds since 1970."""

    id: pulumi.Output[str]
    secret: pulumi.Output[str] = field(repr=False)
    end: pulumi.Output[int]

    @property
    def text(self) -> pulumi.Output[str]:
        """The token as a client sends it: `ID.SECRET`."""
        return pulumi.Output.concat(self.id, ".", self.secret)

    @property
    def expiration(self) -> pulumi.Output[str]:
        """The end in RFC 3339, the form that the API requires."""
        return self.end.apply(lambda end: datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    @classmethod
    def from_text(cls, made: pulumi.Output[str]) -> BootstrapToken:
        """The token from a text that `fresh_token` made. The text is a secret; the id and the end are not."""
        parts = made.apply(lambda text: text.split("."))
        return cls(
            id=pulumi.Output.unsecret(parts.apply(lambda part: part[0])),
            secret=parts.apply(lambda part: part[1]),
            end=pulumi.Output.unsecret(parts.apply(lambda part: int(part[2]))),
        )


def fresh_token(now: datetime) -> str:
    """A random token that is valid from `now` on for `LIFETIME`, as `ID.SECRET.END`."""
    token = [_random(6), _random(16)]
    return ".".join([*token, str(int((now + LIFETIME).timestamp()))])


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
