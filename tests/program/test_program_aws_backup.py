"""Snapshots of etcd in a bucket of AWS: the bucket, the role of members, and what members get."""

import base64
import json
from functools import cache
from typing import Any

import pytest
from archives import unpack
from clusters import lock_data
from conftest import Values, changed, page_values
from recording import REMOTE, Recording, leaves, run

from components.config import load
from components.config.s3 import bucket_name

INSTANCE, BUCKET, ROLE_POLICY = "aws:ec2/instance:Instance", "aws:s3/bucket:Bucket", "aws:iam/rolePolicy:RolePolicy"
MEMBERS = ("cp-1", "cp-2", "cp-3")
# Account, region, stack and cluster of the fake engine and of the page.
NAME = bucket_name("123456789012", "eu-central-1", "test", "cloud")
ARN = f"arn:aws:s3:::{NAME}"
CREATE: Values = {"to": {"kind": "s3", "create": {}, "prefix": "clusters/prod"}}
ROLE: Values = {"to": {"kind": "s3", "bucket": "example-backups", "role": True, "prefix": "clusters/prod"}}


@cache
def made(backup: str, change: str = "{}", preview: bool = False) -> Recording:
    """A run with this section `backup`, as JSON, and further changes of the page."""
    section = {"backup": json.loads(backup)} if backup else {}
    values = changed(page_values("aws"), {**section, **json.loads(change)})
    found = run(values, lock=lock_data(load(values)), preview=preview)
    assert found.error is None, found.error
    return found


def with_bucket(preview: bool = False, **create: Any) -> Recording:
    return made(json.dumps({"to": {**CREATE["to"], "create": create}}), preview=preview)


def with_role() -> Recording:
    return made(json.dumps(ROLE))


def setting(found: Recording, kind: str) -> Values:
    """The inputs of a resource that configures the bucket."""
    resource = found.named(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}", "snapshots")
    assert resource.inputs["bucket"] == "snapshots-id"
    return resource.inputs


def settings_on(found: Recording, node: str) -> dict[str, str]:
    """The files of the release of a node."""
    stage = found.named(REMOTE, f"{node}-stage")
    return {path: file.content for path, file in unpack(stage.inputs["stdin"]).items()}


def rights(found: Recording) -> list[Values]:
    (policy,) = found.of(ROLE_POLICY)
    statements: list[Values] = json.loads(policy.inputs["policy"])["Statement"]
    return statements


def test_the_bucket_is_private_versioned_and_encrypted() -> None:
    found = with_bucket()
    bucket = found.named(BUCKET, "snapshots").inputs
    assert (bucket["bucket"], bucket["forceDestroy"]) == (NAME, False)
    access = setting(found, "BucketPublicAccessBlock")
    kinds = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [access[kind] for kind in kinds] == [True] * 4
    assert setting(found, "BucketOwnershipControls")["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert setting(found, "BucketVersioning")["versioningConfiguration"] == {"status": "Enabled"}
    (rule,) = setting(found, "BucketServerSideEncryptionConfiguration")["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}


def test_the_bucket_refuses_plain_http() -> None:
    (refusal,) = json.loads(setting(with_bucket(), "BucketPolicy")["policy"])["Statement"]
    assert (refusal["Effect"], refusal["Principal"], refusal["Action"]) == ("Deny", "*", "s3:*")
    assert refusal["Resource"] == [ARN, f"{ARN}/*"]
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_what_is_removed_ends_after_the_days_of_the_page_and_nothing_else_does() -> None:
    for create, days in (({}, (30, 7)), ({"noncurrentDays": 90, "incompleteDays": 2}, (90, 2))):
        (rule,) = setting(with_bucket(**create), "BucketLifecycleConfiguration")["rules"]
        assert rule["status"] == "Enabled"
        assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": days[0]}
        assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": days[1]}
        assert rule["expiration"] == {"expiredObjectDeleteMarker": True}


def test_the_bucket_has_the_tags_of_all_resources() -> None:
    tags = with_bucket().named(BUCKET, "snapshots").inputs["tags"]
    assert tags == {"Name": "cloud-snapshots", "hardway:stack": "test", "hardway:cluster": "cloud", "team": "platform"}


@pytest.mark.parametrize("machines", [True, False])
@pytest.mark.parametrize("bucket", [True, False])
def test_the_bucket_has_its_own_protection(machines: bool, bucket: bool) -> None:
    backup = {"to": {**CREATE["to"], "create": {"protected": bucket}}}
    found = made(json.dumps(backup), json.dumps({"machines.protected": machines}))
    assert {resource.protect for resource in found.of("aws:s3/")} == {bucket}
    assert found.named(INSTANCE, "cp-1-machine").protect == machines


def test_a_bucket_that_aws_refuses_to_delete_keeps_its_settings() -> None:
    found = with_bucket()
    bucket = found.named(BUCKET, "snapshots")
    settings = [resource for resource in found.of("aws:s3/") if resource is not bucket]
    assert len(settings) == 6
    assert {resource.deleted_with for resource in settings} == {bucket.urn}


def test_the_name_is_known_at_preview_and_no_other_stack_has_it() -> None:
    assert with_bucket(preview=True).named(BUCKET, "snapshots").inputs["bucket"] == NAME
    usual = ("123456789012", "eu-central-1", "test", "cloud")
    others = [[*usual[:i], f"{usual[i]}x", *usual[i + 1 :]] for i in range(4)]
    names = {bucket_name(*parts) for parts in (usual, *others)}
    assert len(names) == 5
    assert all(len(name) <= 63 for name in names)
    long = bucket_name("123456789012", "ap-southeast-1", "S_tack." * 14, "c" * 63)
    assert len(long) <= 63
    load(changed(page_values("aws"), {"backup": {"to": {**CREATE["to"], "bucket": long}}}))
    assert with_bucket().outputs["backupBucket"] == NAME


def test_a_name_on_the_page_is_the_name_of_the_new_bucket() -> None:
    found = made(json.dumps({"to": {**CREATE["to"], "bucket": "example-backups"}}))
    assert found.named(BUCKET, "snapshots").inputs["bucket"] == "example-backups"
    assert (
        'BACKUP_REPOSITORY="s3:https://s3.eu-central-1.amazonaws.com/example-backups/clusters/prod"'
        in (settings_on(found, "cp-1")["cfg/backup.env"])
    )


def test_the_role_has_the_least_rights_on_exactly_this_bucket() -> None:
    here = {"Condition": {"StringEquals": {"aws:ResourceAccount": "123456789012"}}}
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    assert rights(with_bucket()) == [
        {"Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [ARN], **here},
        {"Sid": "Objects", "Effect": "Allow", "Action": objects, "Resource": [f"{ARN}/clusters/prod/*"], **here},
    ]
    # A bucket that exists may be in another account.
    assert [(s["Action"], s["Resource"], "Condition" in s) for s in rights(with_role())] == [
        (["s3:ListBucket"], ["arn:aws:s3:::example-backups"], False),
        (objects, ["arn:aws:s3:::example-backups/clusters/prod/*"], False),
    ]


@pytest.mark.parametrize("found", [with_bucket, with_role])
def test_only_members_of_etcd_have_the_role(found: Any) -> None:
    recording: Recording = found()
    profiles = {i.name: i.inputs["iamInstanceProfile"] for i in recording.of(INSTANCE)}
    assert {name for name, profile in profiles.items() if profile == "cloud-snapshots-1a2b3c4"} == {
        f"{node}-machine" for node in MEMBERS
    }
    assert {profile for name, profile in profiles.items() if not name.startswith("cp-")} == {"cloud-machine-1a2b3c4"}
    (policy,) = recording.of(ROLE_POLICY)
    assert policy.inputs["role"] == "cloud-snapshots-1a2b3c4"
    for role in recording.of("aws:iam/role:Role"):
        (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert (trust["Action"], trust["Principal"]) == ("sts:AssumeRole", {"Service": "ec2.amazonaws.com"})
    for instance in recording.of(INSTANCE):
        options = instance.inputs["metadataOptions"]
        assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 1)


def test_a_dedicated_api_server_has_no_role() -> None:
    nodes = [
        *({"name": f"cp-{i}", "roles": ["control-plane"]} for i in (1, 2, 3)),
        *({"name": f"etcd-{i}", "roles": ["etcd"]} for i in (1, 2, 3)),
        {"name": "worker-1", "roles": ["worker"]},
    ]
    found = made(json.dumps(ROLE), json.dumps({"nodes": nodes}))
    profiles = {i.name: i.inputs["iamInstanceProfile"] for i in found.of(INSTANCE)}
    assert [name for name, profile in sorted(profiles.items()) if profile.startswith("cloud-snapshots")] == [
        f"etcd-{i}-machine" for i in (1, 2, 3)
    ]


def test_members_get_no_key_and_use_s3_of_the_region() -> None:
    for found, bucket in ((with_bucket(), NAME), (with_role(), "example-backups")):
        files = settings_on(found, "cp-2")
        assert (
            f'BACKUP_REPOSITORY="s3:https://s3.eu-central-1.amazonaws.com/{bucket}/clusters/prod"'
            in (files["cfg/backup.env"])
        )
        assert 'BACKUP_REGION="eu-central-1"' in files["cfg/backup.env"]
        assert [path for path in files if path.startswith("ssl/backup")] == ["ssl/backup/password"]
        values = [leaf.value for resource in found.of(REMOTE) for leaf in leaves(dict(resource.raw))]
        assert not [value for value in values if "AWS_SECRET_ACCESS_KEY" in str(value)]


def test_a_bucket_in_another_region_is_reached_there() -> None:
    target = {**ROLE["to"], "region": "eu-west-1"}
    settings = settings_on(made(json.dumps({"to": target})), "cp-1")["cfg/backup.env"]
    assert "s3:https://s3.eu-west-1.amazonaws.com/example-backups/" in settings
    assert 'BACKUP_REGION="eu-west-1"' in settings
    target |= {"endpoint": "https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com"}
    settings = settings_on(made(json.dumps({"to": target})), "cp-1")["cfg/backup.env"]
    assert "s3:https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com/example-backups/" in settings


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("s3.us-east-1.amazonaws.com", "us-east-1"),
        ("s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
        ("s3-ap-southeast-2.amazonaws.com", "ap-southeast-2"),
        ("bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("s3.amazonaws.com", "eu-central-1"),
    ],
)
def test_an_endpoint_names_the_region_of_its_bucket(host: str, region: str) -> None:
    """So who takes the access key off the page and adds `role` reaches the same bucket."""
    target = {**ROLE["to"], "endpoint": f"https://{host}"}
    settings = settings_on(made(json.dumps({"to": target})), "cp-1")["cfg/backup.env"]
    assert f'BACKUP_REGION="{region}"' in settings


def test_members_have_bucket_and_rights_before_their_first_release() -> None:
    found = with_bucket()
    lifecycle = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    needed = [
        r for r in found.resources if r.type == ROLE_POLICY or (r.type.startswith("aws:s3/") and r.type != lifecycle)
    ]
    assert len(needed) == 7
    for node in MEMBERS:
        for resource in needed:
            assert found.comes_after(found.named(REMOTE, f"{node}-stage"), resource), (node, resource.type)
    assert not found.comes_after(found.named(REMOTE, "worker-1-stage"), found.named(BUCKET, "snapshots"))


def test_a_role_alone_makes_no_bucket() -> None:
    assert with_role().of("aws:s3/") == []


def test_without_the_option_nothing_is_made_and_no_instance_changes() -> None:
    """With an access key, and with the rights that somebody has added to the role of all instances."""
    keys = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "of-a-test"}
    without = made("")
    for more in ({}, keys):
        values = changed(page_values("aws"), {"backup": {"to": {"bucket": "b-1", "prefix": "p", **more}}})
        secret = {"PULUMI_CONFIG_SECRET_KEYS": json.dumps(["hardway:backup"])}
        found = run(values, lock=lock_data(load(values, {"backup"})), extra=secret)
        assert found.error is None, found.error
        assert not [*found.of("aws:s3/"), *found.of(ROLE_POLICY)]
        assert [i.raw for i in found.of(INSTANCE)] == [i.raw for i in without.of(INSTANCE)]
        assert "backupBucket" not in found.outputs


def test_the_user_data_of_a_member_is_the_same_with_a_role() -> None:
    """Otherwise a new member would differ from one that got the role later."""
    with_, without = (
        base64.b64decode(found.named(INSTANCE, "cp-1-machine").inputs["userDataBase64"])
        for found in (with_bucket(), made(""))
    )
    assert with_ == without


@pytest.mark.parametrize(
    ("region", "arn", "endpoint"),
    [
        ("cn-north-1", "arn:aws-cn:s3:::", "https://s3.cn-north-1.amazonaws.com.cn/"),
        ("us-gov-west-1", "arn:aws-us-gov:s3:::", "https://s3.us-gov-west-1.amazonaws.com/"),
    ],
)
def test_other_partitions_of_aws(region: str, arn: str, endpoint: str) -> None:
    change = {"machines.region": region, "machines.network.zones": ["a", "b", "c"]}
    values = changed(page_values("aws"), {"backup": ROLE, **change})
    zones = {"FAKE_ZONES": json.dumps([f"{region}{zone}" for zone in "abc"])}
    found = run(values, lock=lock_data(load(values)), extra=zones)
    assert found.error is None, found.error
    assert all(resource.startswith(arn) for statement in rights(found) for resource in statement["Resource"])
    assert endpoint in settings_on(found, "cp-1")["cfg/backup.env"]
