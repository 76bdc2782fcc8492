"""Ways to log in with the whole program: what is secret, and who gets what."""

import hashlib
import json
from functools import cache

from archives import unpack
from authorities import make
from clusters import cluster, lock_data
from fake_engine import plain
from recording import REMOTE, Recording, leaves, page, recorded, run

STASH = "pulumi:index:Stash"
CI, CD = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e", "0123456789abcdef0123456789abcdef"
SERVICE = {"url": "https://hooks.example.com", "certificateAuthority": make("CN=Web CA").chain}
SELECTOR = "scheduler.alpha.kubernetes.io/node-selector"
SECRET_KEYS = {"PULUMI_CONFIG_SECRET_KEYS": json.dumps(["hardway:access"])}


@cache
def made(token: str = CI) -> Recording:
    """A run with every way to log in."""
    change = {
        "access.proxy": {"names": ["login"], "prefix": "sso:"},
        "access.tokens": [{"name": "ci", "groups": ["robots"], "token": token}],
        "access.tokenWebhook": {**SERVICE, "prefix": "corp:"},
        "access.authorizationWebhook": SERVICE,
        "access.namespaces": [{"name": "shop", "nodeSelector": {"pool": "shop"}}],
    }
    found = run(page("stacked", change), lock=lock_data(cluster("stacked").page), extra=SECRET_KEYS)
    assert found.error is None, found.error
    return found


def staged(recording: Recording, node: str) -> dict[str, str]:
    """The files of the release of a node."""
    entries = unpack(recording.named(REMOTE, f"{node}-stage").inputs["stdin"])
    return {path: file.content for path, file in entries.items()}


def test_tokens_are_secret_wherever_they_are() -> None:
    for recording in (made(), made(CD)):
        token = CI if recording is made() else CD
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in (token, f"{token},ci,ci,robots\n")]
        for secret in (token, *digests, *(digest[:12] for digest in digests)):
            readable = [
                f"{resource.name}: {leaf.path}"
                for resource in recording.resources
                for leaf in leaves(dict(resource.raw))
                if secret in str(leaf.value) and not leaf.secret
            ]
            assert readable == []
            assert not [leaf.path for leaf in leaves(recording.outputs) if secret in str(leaf.value)]


def test_api_servers_alone_have_the_file_of_tokens() -> None:
    assert staged(made(), "cp-2")["ssl/kube-apiserver/tokens.csv"] == f"{CI},ci,ci,robots\n"
    assert not [path for path in staged(made(), "worker-1") if "tokens.csv" in path or "webhook" in path]
    # Nothing that is public is a digest of the file alone: people choose tokens.
    salt = plain(dict(made().named(STASH, "static-tokens-salt").raw))["input"]
    assert len(salt) >= 43


def test_a_proxy_gets_its_pair_and_the_api_as_a_secret() -> None:
    found = list(leaves(made().outputs["proxyCredentials"]))
    assert {leaf.path for leaf in found} == {
        f"login.{name}" for name in ("certificate", "key", "server", "certificateAuthority")
    }
    assert all(leaf.secret for leaf in found)
    assert "proxyCredentials" not in recorded("stacked").outputs
    uses = {entry["name"]: entry["use"] for entry in plain(made().outputs)["certificates"]}
    assert uses["login.people-proxy"] == uses["cp-1-apiserver-webhook-client"] == "client"


def test_the_key_of_a_proxy_is_on_no_machine() -> None:
    key = next(leaf.value for leaf in leaves(made().outputs["proxyCredentials"]) if leaf.path == "login.key")
    for node in ("cp-1", "cp-2", "cp-3", "worker-1", "worker-2"):
        assert key not in staged(made(), node).values()


def test_a_namespace_binds_its_pods_to_nodes() -> None:
    namespace = made().named("kubernetes:core/v1:Namespace", "namespace-shop").inputs["metadata"]
    assert namespace["annotations"][SELECTOR] == "pool=shop"
    assert namespace["annotations"]["pulumi.com/patchForce"] == "true"
    plain_one = recorded("stacked").named("kubernetes:core/v1:Namespace", "namespace-development").inputs["metadata"]
    assert namespace["annotations"].keys() - plain_one["annotations"].keys() == {SELECTOR}
