"""A scripted browser: the authorization code flow with PKCE, through the login form and the consent form.

https://www.rfc-editor.org/rfc/rfc7636, https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import jwt
import requests

REDIRECT = "http://localhost:8000"
"""Where the plugin of kubectl would listen. The browser reads the code from the redirect and does not follow it."""
_MOST_STEPS = 20
_SECONDS = 10


class LoginError(Exception):
    """The issuer gave no token."""


@dataclass(frozen=True)
class Client:
    """A public client at an issuer. `authority` is the path of the authority of the issuer, in PEM."""

    issuer: str
    name: str
    authority: str
    scopes: Sequence[str] = ()

    def log_in(self, person: str, password: str) -> dict[str, Any]:
        """The answer of the token endpoint. Raises LoginError."""
        with _session(self.authority) as session:
            places = self._discovered(session)
            verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
            asked = {
                "client_id": self.name,
                "response_type": "code",
                "redirect_uri": REDIRECT,
                "scope": " ".join(["openid", *self.scopes]),
                "state": state,
                "nonce": nonce,
                "code_challenge": _without_padding(hashlib.sha256(verifier.encode()).digest()),
                "code_challenge_method": "S256",
                # Without this, an issuer grants no refresh token (OpenID Connect Core, section 11).
                **({"prompt": "consent"} if "offline_access" in self.scopes else {}),
            }
            answer = session.get(places["authorization_endpoint"], params=asked, **_OPTIONS)
            found = _walk(session, answer, {"name": person, "password": password})
            if found.get("state") != state or "code" not in found:
                raise LoginError(f"the redirect has no code: {found}")
            wanted = {"grant_type": "authorization_code", "code": found["code"], "code_verifier": verifier}
            tokens = self._tokens(session, places, {**wanted, "redirect_uri": REDIRECT})
            if jwt.decode(tokens["id_token"], options={"verify_signature": False})["nonce"] != nonce:
                raise LoginError("the token belongs to another login")
            return tokens

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """New tokens without a login. Raises LoginError."""
        with _session(self.authority) as session:
            wanted = {"grant_type": "refresh_token", "refresh_token": refresh_token}
            return self._tokens(session, self._discovered(session), wanted)

    def _discovered(self, session: requests.Session) -> dict[str, Any]:
        answer = session.get(f"{self.issuer}/.well-known/openid-configuration", **_OPTIONS)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _tokens(self, session: requests.Session, places: Mapping[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
        answer = session.post(places["token_endpoint"], data={**wanted, "client_id": self.name}, **_OPTIONS)
        if not answer.ok:
            raise LoginError(f"{answer.status_code}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found


_OPTIONS: dict[str, Any] = {"allow_redirects": False, "timeout": _SECONDS}


def _session(authority: str) -> requests.Session:
    session = requests.Session()
    # Without proxies and authorities of the environment.
    session.trust_env, session.verify = False, authority
    return session


def _walk(session: requests.Session, answer: requests.Response, typed: Mapping[str, str]) -> dict[str, str]:
    """Follow redirects and fill in forms until the browser is sent back to the client: the parameters of that address.

    A form that appears again, or that has a field that the person does not know, is a refusal.
    """
    filled: set[str] = set()
    for _ in range(_MOST_STEPS):
        if answer.is_redirect:
            place = urljoin(answer.url, answer.headers["Location"])
            if place.startswith(REDIRECT):
                return {name: value for name, (value, *_) in parse_qs(urlsplit(place).query).items()}
            answer = session.get(place, **_OPTIONS)
            continue
        form = _Form()
        form.feed(answer.text)
        key = f"{answer.url} {sorted(form.fields)}"
        if not answer.ok or key in filled or not form.fields:
            raise LoginError(f"{answer.status_code}: {form.title}")
        filled.add(key)
        values = {name: typed.get(name, value) for name, value in form.fields.items()}
        answer = session.post(urljoin(answer.url, form.action), data=values, **_OPTIONS)
    raise LoginError(f"no end after {_MOST_STEPS} steps")


@dataclass
class _Form(HTMLParser):
    """The title, and the names and values of the form of a page."""

    action: str = ""
    title: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found.get("action", "")
        if tag in ("input", "button") and "name" in found:
            self.fields[found["name"]] = found.get("value", "")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "title":
            self.title += data


def _without_padding(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def main() -> int:
    """Read a client, and a person or a refresh token, from standard input, and print the tokens."""
    asked = json.load(sys.stdin)
    client = Client(asked["issuer"], asked["name"], asked["authority"], asked.get("scopes", ()))
    try:
        if "refresh_token" in asked:
            found = client.refresh(asked["refresh_token"])
        else:
            found = client.log_in(asked["person"], asked["password"])
    except (LoginError, requests.RequestException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
