"""Tokens end, keys of the provider rotate, accounts are locked."""

import time

import jwt

from tests.e2e.people.desk import Desk, status, statuses
from tests.e2e.people.page import PEOPLE, SHOP
from tests.e2e.people.provider import LIFE, Provider
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.wait import becomes

SHORT = 15
"""Seconds."""
REMEMBERED = 30
"""Seconds, and more than the 10 s for which API servers remember a token that they have accepted."""


def test_an_ended_token_is_refused(cluster: Cluster, provider: Provider, say: Say) -> None:
    """By each API server, with the reason in its log. A token in use is refused a moment later."""
    asked = cluster.having("control-plane")[0]
    provider.let_tokens_live(SHORT)
    try:
        used = provider.token("anna")
        assert status(cluster, asked, used) == "201", "the token has not been valid"
        unused = provider.token("anna")
    finally:
        provider.let_tokens_live(LIFE)
    while time.time() <= _end(unused) + 1:
        time.sleep(0.5)
    assert statuses(cluster, unused) == {"401"}
    becomes(lambda: status(cluster, asked, used), "401", REMEMBERED, "the token in use is refused")
    say(f"  a token in use was refused {time.time() - _end(used):.1f} s after its end")
    # The command of docs/access.md.
    log = asked.run("journalctl -u kube-apiserver | grep -i -e oidc -e 'authenticate the request' | tail -n 5").ok()
    assert "token is expired" in log, log


def test_keys_of_the_provider_rotate_without_a_change_here(cluster: Cluster, provider: Provider) -> None:
    """A token of the new key is valid at once on each API server; tokens of the key that is gone end there."""
    before = provider.token("anna")
    assert statuses(cluster, before) == {"201"}
    provider.rotate()
    after = provider.token("anna")
    assert jwt.get_unverified_header(after)["kid"] != jwt.get_unverified_header(before)["kid"]
    assert statuses(cluster, after) == {"201"}
    becomes(lambda: statuses(cluster, before), {"401"}, REMEMBERED, "tokens of the old key are refused")


def test_a_locked_person_gets_no_new_token(cluster: Cluster, provider: Provider, desk: Desk) -> None:
    """Neither by a login nor by a refresh. The token that exists stays valid until it ends."""
    before = provider.log_in("lena", "offline_access")
    renewed = provider.browse({"refresh_token": before["refresh_token"]})
    assert renewed.code == 0, renewed.text
    provider.lock("lena")
    answer = desk.at_login(PEOPLE["lena"])("get", "pods", f"--namespace={SHOP}")
    assert answer.code != 0 and "The account is locked" in answer.stderr, answer.text
    refused = provider.browse({"refresh_token": before["refresh_token"]})
    assert refused.code != 0 and "invalid_grant" in refused.stderr, refused.text
    desk.with_token("lena", before["id_token"])("get", "pods", f"--namespace={SHOP}").ok()


def _end(token: str) -> float:
    return float(jwt.decode(token, options={"verify_signature": False})["exp"])
