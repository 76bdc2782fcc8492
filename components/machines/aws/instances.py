"""EC2 instances: the settings that all share, and the data volume of an etcd member."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls

from components.config.aws import AwsRole, AwsSection
from components.machines.aws.tags import Tags
from components.machines.aws.user_data import Keys, user_data
from components.machines.login import LoginKeys
from components.resource_names import NodeResource
from components.topology import NodePlan

_DEVICE = "/dev/sdf"
"""The device name of the data volume in AWS. Nitro instances show another name, see user_data.py."""
# Changes of these are ignored: a new AMI or other user data must not replace a running member.
_KEPT = ["ami", "userDataBase64"]


@dataclass(frozen=True)
class Common:
    """The settings that all instances of a stack share; `after` has to exist before they boot."""

    page: AwsSection
    tags: Tags
    amis: Mapping[str, str]
    """The AMIs for new machines, by architecture."""
    profile: pulumi.Input[str]
    login: LoginKeys
    after: Sequence[pulumi.Resource]


@dataclass(frozen=True)
class Shape:
    """The settings of one instance. `address` None: AWS chooses."""

    name: str
    type: str
    architecture: str
    root_size: int
    subnet_id: pulumi.Input[str]
    groups: Sequence[pulumi.Input[str]]
    address: str | None = None
    volume: aws.ebs.Volume | None = None
    forwards: bool = False
    """Whether the instance forwards packets that are neither from it nor for it."""
    protected: bool = False
    profile: pulumi.Input[str] | None = None
    """The instance profile, if it is not the one without rights that all instances share."""
    bastion_port: int | None = None
    """If set: the instance is a bastion whose SSH server listens on this port."""


def role_of(page: AwsSection, node: NodePlan) -> AwsRole:
    """The kind of instance for a node. With several roles, control plane goes before etcd, etcd before worker."""
    return page.group_of(node.roles)[1]


def make_instance(common: Common, shape: Shape, parent: pulumi.Resource) -> tuple[aws.ec2.Instance, pulumi.Output[str]]:
    """An instance, and the public host key of its SSH server."""
    child = pulumi.ResourceOptions(parent=parent)
    host_key = tls.PrivateKey(NodeResource.SSH_HOST_KEY.name_for(shape.name), algorithm="ED25519", opts=child)
    boot_data = pulumi.Output.all(
        private=host_key.private_key_openssh,
        public=host_key.public_key_openssh,
        user=common.login.public_keys,
        volume=shape.volume.id if shape.volume else None,
    ).apply(
        lambda known: base64.b64encode(
            user_data(
                shape.name,
                Keys(known["private"], known["public"], known["user"]),
                volume=known["volume"],
                bastion_port=shape.bastion_port,
            ).encode()
        ).decode()
    )
    secret: pulumi.Output[str] = pulumi.Output.secret(boot_data)
    instance = aws.ec2.Instance(
        NodeResource.MACHINE.name_for(shape.name),
        ami=common.amis[shape.architecture],
        instance_type=shape.type,
        subnet_id=shape.subnet_id,
        private_ip=shape.address,
        # No setting for public addresses: the subnets assign none (account.py checks given subnets). A setting here
        # would replace the bastion, since its elastic address counts as a public address.
        vpc_security_group_ids=list(shape.groups),
        iam_instance_profile=common.profile if shape.profile is None else shape.profile,
        source_dest_check=not shape.forwards,
        disable_api_termination=shape.protected,
        user_data_base64=secret,
        # One hop: pods are one hop further away and so cannot reach the metadata service, which has the instance's
        # credentials and user data. Nothing that hardway installs uses that service.
        metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
            http_endpoint="enabled",
            http_tokens="required",
            http_put_response_hop_limit=1,
            instance_metadata_tags="disabled",
        ),
        root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
            volume_type="gp3",
            volume_size=shape.root_size,
            encrypted=True,
            kms_key_id=common.page.kms_key,
            delete_on_termination=True,
            tags=common.tags.of(f"{shape.name}-root"),
        ),
        tags=common.tags.of(shape.name, found_by_cloud=shape.bastion_port is None),
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=common.after,
            # A new instance can take the address only after this instance has released it.
            delete_before_replace=True,
            ignore_changes=_KEPT,
            protect=shape.protected,
        ),
    )
    return instance, host_key.public_key_openssh


def make_volume(common: Common, node: str, zone: str, parent: pulumi.Resource) -> aws.ebs.Volume:
    """The data volume of an etcd member. The volume outlives its instance."""
    data = common.page.etcd_data
    return aws.ebs.Volume(
        NodeResource.DATA.name_for(node),
        availability_zone=f"{common.page.region}{zone}",
        type="gp3",
        size=data.size,
        iops=data.iops,
        throughput=data.throughput,
        encrypted=True,
        kms_key_id=common.page.kms_key,
        tags=common.tags.of(NodeResource.DATA.name_for(node)),
        opts=pulumi.ResourceOptions(parent=parent, protect=common.page.protected),
    )


def attach_volume(
    node: str, volume: aws.ebs.Volume, instance: aws.ec2.Instance, parent: pulumi.Resource
) -> aws.ec2.VolumeAttachment:
    """Attach a volume. A terminated instance detaches its volume by itself, after all data is written."""
    return aws.ec2.VolumeAttachment(
        NodeResource.DATA.name_for(node),
        device_name=_DEVICE,
        volume_id=volume.id,
        instance_id=instance.id,
        stop_instance_before_detaching=True,
        opts=pulumi.ResourceOptions(parent=parent, deleted_with=instance, delete_before_replace=True),
    )
