"""Properties of AWS resources with the names that the SDK sends to the engine."""

import json
from typing import Any

import pulumi


class _Recorder(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.bags: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.bags[args.name] = {"type": args.typ, "properties": args.inputs}
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        return {}


def property_bags() -> dict[str, dict[str, Any]]:
    """Type and properties by name. Most kinds have a bad and a good resource."""
    recorder = _Recorder()
    pulumi.runtime.set_mocks(recorder, preview=True)
    _declare()
    pulumi.runtime.test(_declare)()
    return recorder.bags


def _declare() -> None:
    import pulumi_aws as aws

    ssh = {"protocol": "tcp", "from_port": 22, "to_port": 22}
    aws.ec2.SecurityGroup("group-bad", ingress=[{**ssh, "cidr_blocks": ["0.0.0.0/0"]}])
    aws.ec2.SecurityGroup("group-good", ingress=[{**ssh, "cidr_blocks": ["10.0.0.0/8"]}])
    rule = {"type": "ingress", "security_group_id": "sg-1", **ssh}
    aws.ec2.SecurityGroupRule("rule-bad", ipv6_cidr_blocks=["::/0"], **rule)
    aws.ec2.SecurityGroupRule("rule-good", self=True, **rule)
    ingress = {"security_group_id": "sg-1", "ip_protocol": "tcp", "from_port": 22, "to_port": 22}
    aws.vpc.SecurityGroupIngressRule("ingress-bad", cidr_ipv4="0.0.0.0/0", **ingress)
    aws.vpc.SecurityGroupIngressRule("ingress-good", cidr_ipv4="192.168.0.0/16", **ingress)
    subnet = {"vpc_id": "vpc-1", "cidr_block": "10.0.1.0/24"}
    aws.ec2.Subnet("subnet-bad", map_public_ip_on_launch=True, **subnet)
    aws.ec2.Subnet("subnet-good", **subnet)
    aws.ec2.Eip("address-bad", domain="vpc")
    aws.lb.LoadBalancer("balancer-bad", load_balancer_type="network")
    aws.lb.LoadBalancer("balancer-good", load_balancer_type="network", internal=True)
    machine = {"ami": "ami-1", "instance_type": "t3.small"}
    aws.ec2.Instance("instance-bad", associate_public_ip_address=True, **machine)
    aws.ec2.Instance(
        "instance-good",
        metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
        root_block_device={"encrypted": True},
        ebs_block_devices=[{"device_name": "/dev/sdf", "encrypted": True}],
        **machine,
    )
    aws.ec2.LaunchTemplate(
        "template-bad",
        network_interfaces=[{"associate_public_ip_address": "true"}],
        block_device_mappings=[{"device_name": "/dev/sda1", "ebs": {"volume_size": 8}}],
    )
    aws.ec2.LaunchTemplate(
        "template-good",
        metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
        block_device_mappings=[{"device_name": "/dev/sda1", "ebs": {"encrypted": "true"}}],
    )
    volume = {"availability_zone": "eu-central-1a", "size": 8}
    aws.ebs.Volume("volume-bad", **volume)
    aws.ebs.Volume("volume-good", encrypted=True, **volume)
    action = [{"type": "forward", "target_group_arn": "arn:1"}]
    aws.lb.Listener("listener-bad", load_balancer_arn="arn:2", port=6443, protocol="HTTP", default_actions=action)
    aws.lb.Listener("listener-good", load_balancer_arn="arn:2", port=6443, protocol="TCP", default_actions=action)
    _declare_bucket()
    rights = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::bucket"]}
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    aws.iam.RolePolicy("rights-good", role="role", policy=_document(rights))
    aws.iam.RolePolicy("rights-bad", role="role", policy=_document(wide))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    aws.iam.Role("role-good", assume_role_policy=_document({**trust, "Principal": {"Service": "ec2.amazonaws.com"}}))
    aws.iam.Role(
        "role-bad",
        assume_role_policy=_document({**trust, "Principal": {"AWS": "*"}}),
        inline_policies=[{"name": "wide", "policy": _document(wide)}],
        managed_policy_arns=["arn:aws:iam::aws:policy/AdministratorAccess"],
    )
    aws.iam.RolePolicyAttachment("attachment-bad", role="role", policy_arn="arn:aws:iam::aws:policy/AmazonS3FullAccess")


def _declare_bucket() -> None:
    """A bucket whose settings are as they should be. Tests leave out or change one of them."""
    import pulumi_aws as aws

    bucket = "bucket"
    aws.s3.Bucket("bucket", bucket=bucket)
    aws.s3.BucketPublicAccessBlock(
        "bucket-access",
        bucket=bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )
    aws.s3.BucketOwnershipControls("bucket-owner", bucket=bucket, rule={"object_ownership": "BucketOwnerEnforced"})
    aws.s3.BucketVersioning("bucket-versions", bucket=bucket, versioning_configuration={"status": "Enabled"})
    aws.s3.BucketServerSideEncryptionConfiguration(
        "bucket-encryption",
        bucket=bucket,
        rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
    )
    refusal = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    aws.s3.BucketPolicy("bucket-policy", bucket=bucket, policy=_document(refusal))


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
