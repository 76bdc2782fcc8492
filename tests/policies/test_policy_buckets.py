"""Rules about buckets of S3 and about the rights of roles, with properties as the SDK names them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from policy_requests import UNKNOWN, Request, asked, asked_stack, load, made

from components.machines.aws.rights import MAY_BE_INSTANCES, encrypted_only, snapshot_rights

BUCKET = ("bucket", "bucket-access", "bucket-owner", "bucket-versions", "bucket-encryption", "bucket-policy")
RULES = {"bucket-public", "bucket-encryption", "bucket-versioning", "bucket-plain-http"}
REFUSAL = json.loads(load("aws")["bucket-policy"]["properties"]["policy"])["Statement"][0]


def bag(name: str, **change: Any) -> Request:
    found = load("aws")[name]
    return made(found["type"], name, {**found["properties"], **change})


def judged(change: Mapping[str, Mapping[str, Any] | None] | None = None, **settings: Any) -> dict[str, list[str]]:
    """The messages about a bucket. `change` has changed properties by name, or None for a setting that is left out."""
    change = change or {}
    requests = [bag(name, **(change.get(name) or {})) for name in BUCKET if change.get(name, {}) is not None]
    found = asked_stack(requests, **settings)
    return {rule: messages for rule, messages in found.items() if rule in RULES}


def policy(**change: Any) -> dict[str, Any]:
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": [{**REFUSAL, **change}]})}


def test_a_bucket_as_it_should_be() -> None:
    assert judged() == {}
    document = encrypted_only("arn:aws:s3:::bucket")
    assert judged({"bucket-policy": {"policy": document}}) == {}


@pytest.mark.parametrize(
    ("name", "change", "rule", "message"),
    [
        ("bucket-access", None, "bucket-public", "bucket: no BucketPublicAccessBlock, "),
        (
            "bucket-access",
            {"blockPublicPolicy": False},
            "bucket-public",
            "bucket: the BucketPublicAccessBlock does not",
        ),
        ("bucket-owner", None, "bucket-public", "bucket: the object ownership is not set, "),
        (
            "bucket-owner",
            {"rule": {"objectOwnership": "ObjectWriter"}},
            "bucket-public",
            "bucket: the object ownership is",
        ),
        ("bucket-versions", None, "bucket-versioning", "bucket: versioning is not set, "),
        (
            "bucket-versions",
            {"versioningConfiguration": {"status": "Suspended"}},
            "bucket-versioning",
            "bucket: versioning is Suspended, ",
        ),
        ("bucket-encryption", None, "bucket-encryption", "bucket: no encryption at rest. "),
        ("bucket-encryption", {"rules": []}, "bucket-encryption", "bucket: no encryption at rest. "),
        ("bucket-policy", None, "bucket-plain-http", "bucket: no policy refuses plain http. "),
        ("bucket-policy", policy(Effect="Allow"), "bucket-plain-http", "bucket: no policy refuses plain http. "),
        ("bucket-policy", policy(Action="s3:GetObject"), "bucket-plain-http", "bucket: no policy refuses plain http. "),
        ("bucket-policy", policy(Principal={"AWS": "arn:aws:iam::1:root"}), "bucket-plain-http", "bucket: no policy"),
        ("bucket-policy", policy(Resource="arn:aws:s3:::bucket"), "bucket-plain-http", "bucket: no policy refuses"),
        (
            "bucket-policy",
            policy(Condition={"Bool": {"aws:SecureTransport": "true"}}),
            "bucket-plain-http",
            "bucket: no policy refuses plain http. ",
        ),
        (
            "bucket-policy",
            policy(Condition={**REFUSAL["Condition"], "StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            "bucket-plain-http",
            "bucket: no policy refuses plain http. ",
        ),
        ("bucket-policy", {"policy": "no JSON"}, "bucket-plain-http", "bucket: no policy refuses plain http. "),
    ],
)
def test_a_bucket_with_one_setting_wrong(name: str, change: dict[str, Any] | None, rule: str, message: str) -> None:
    found = judged({name: change})
    assert list(found) == [rule]
    (text,) = found[rule]
    assert text.startswith(message)
    assert judged({name: change}, **{rule.replace("-", "_"): {"buckets": ["buck*"]}}) == {}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bucket-access", dict.fromkeys(("blockPublicAcls", "blockPublicPolicy"), UNKNOWN)),
        ("bucket-owner", {"rule": UNKNOWN}),
        ("bucket-owner", {"rule": {"objectOwnership": UNKNOWN}}),
        ("bucket-versions", {"versioningConfiguration": UNKNOWN}),
        ("bucket-encryption", {"rules": UNKNOWN}),
        ("bucket-encryption", {"rules": [{"applyServerSideEncryptionByDefault": UNKNOWN}]}),
        ("bucket-policy", {"policy": UNKNOWN}),
    ],
)
def test_what_only_up_will_know(name: str, change: dict[str, Any]) -> None:
    assert judged({name: change}) == {}


def test_settings_of_another_bucket_do_not_count() -> None:
    change = {name: {"bucket": "another"} for name in BUCKET if name != "bucket"}
    assert set(judged(change)) == RULES


def test_the_settings_of_a_bucket_that_the_plan_makes_are_known_by_their_origin() -> None:
    requests = [bag("bucket", bucket=UNKNOWN)]
    urns = {"bucket": {"urns": [requests[0]["urn"]]}}
    requests += [{**bag(name, bucket=UNKNOWN), "propertyDependencies": urns} for name in BUCKET if name != "bucket"]
    assert not RULES & asked_stack(requests).keys()
    assert asked_stack([{**request, "propertyDependencies": {}} for request in requests]).keys() >= RULES


# --- rights of roles ---------------------------------------------------------------------------------------------


def rights(**statement: Any) -> list[str]:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}}
    return asked(bag("rights-good", policy=json.dumps(document))).get("role-rights", [])


def test_roles_of_this_project_have_named_rights_only() -> None:
    document = snapshot_rights("arn:aws-cn:s3:::bucket", "clusters/prod", "123456789012")
    assert asked(bag("rights-good", policy=document)) == {}
    assert asked(bag("role-good", assumeRolePolicy=MAY_BE_INSTANCES)) == {}
    assert asked(bag("rights-good")) == asked(bag("role-good")) == {}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Action": "*", "Resource": "arn:aws:s3:::b"}, "the action * has a wildcard. "),
        ({"Action": ["s3:ListBucket", "s3:Get*"], "Resource": "arn:aws:s3:::b"}, "the action s3:Get* has a wildcard. "),
        ({"Action": "s3:GetObjec?", "Resource": "arn:aws:s3:::b/*"}, "the action s3:GetObjec? has a wildcard. "),
        ({"Action": "s3:ListBucket", "Resource": "*"}, "the resource * has a wildcard in its name. "),
        (
            {"Action": "s3:GetObject", "Resource": ["arn:aws:s3:::*/p/*"]},
            "the resource arn:aws:s3:::*/p/* has a wildcard",
        ),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b*"}, "the resource arn:aws:s3:::b* has a wildcard"),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::1:role/*"}, "the resource arn:aws:iam::1:role/* has a"),
        (
            {"NotAction": "iam:PassRole", "Resource": "arn:aws:s3:::b"},
            "NotAction allows everything but what it names. ",
        ),
        (
            {"Action": "s3:GetObject", "NotResource": "arn:aws:s3:::b"},
            "NotResource allows everything but what it names. ",
        ),
    ],
)
def test_rights_that_nobody_has_named(statement: dict[str, Any], message: str) -> None:
    (found,) = rights(**statement)
    assert found.startswith(f"rights-good: {message}")


def test_rights_on_objects_below_a_named_bucket_are_named() -> None:
    assert rights(Action="s3:GetObject", Resource="arn:aws:s3:::b/clusters/*") == []
    # A refusal may be as wide as it likes.
    assert rights(Effect="Deny", Action="*", Resource="*") == []


def test_every_place_in_which_a_role_gets_rights_is_judged() -> None:
    assert [text.partition(": ")[2].partition(". ")[0][:40] for text in asked(bag("role-bad"))["role-rights"]] == [
        "everybody may take the role",
        "the action s3:* has a wildcard",
        "the resource * has a wildcard in its nam",
        "arn:aws:iam::aws:policy/AdministratorAcc",
    ]
    (found,) = asked(bag("attachment-bad"))["role-rights"]
    assert found.startswith("attachment-bad: arn:aws:iam::aws:policy/AmazonS3FullAccess is a policy whose rights")
    assert len(asked(bag("rights-bad"))["role-rights"]) == 2
    assert len(asked(bag("rights-bad", policy="no JSON"))["role-rights"]) == 2
    for name in ("role-bad", "rights-bad", "attachment-bad"):
        assert asked(bag(name), role_rights={"roles": ["*-bad"]}) == {}
    assert asked(bag("rights-bad", policy=UNKNOWN)) == {}
    assert asked(bag("attachment-bad", policyArn=UNKNOWN)) == {}


def test_a_bucket_with_data_is_protected() -> None:
    (found,) = asked(bag("bucket"))["unprotected"]
    assert found.endswith("Set hardway:backup.to.create.protected to true.")
    assert "unprotected" not in asked({**bag("bucket"), "options": {"protect": True}})
    assert "unprotected" not in asked(bag("bucket"), unprotected={"buckets": []})
