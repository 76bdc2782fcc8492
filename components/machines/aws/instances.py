"""EC2 instances: what all of them have in common, and the data volume of an etcd member."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls

from components.config.aws import AwsMachines, AwsRole
from components.machines.aws.tags import Tags
from components.machines.aws.user_data import Keys, user_data
from components.topology import NodePlan

_DEVICE = "/dev/sdf"
"""How AWS calls the place of the data volume. Nitro machines see it under another name, see user_data.py."""
# What a machine has got when it was made, it keeps: a new AMI or other user data must not replace a running member.
_KEPT = ["ami", "userDataBase64"]


@dataclass(frozen=True)
class Making:
    """What all instances of a stack are made with; `after` has to be there before they boot."""

    page: AwsMachines
    tags: Tags
    ami: str
    profile: pulumi.Input[str]
    user_key: tls.PrivateKey
    after: Sequence[pulumi.Resource]


@dataclass(frozen=True)
class Shape:
    """What is particular to one instance. `address` None: AWS chooses."""

    name: str
    type: str
    root_size: int
    subnet_id: pulumi.Input[str]
    groups: Sequence[pulumi.Input[str]]
    address: str | None = None
    volume: aws.ebs.Volume | None = None
    forwards: bool = False
    """It passes on packets that are neither from it nor for it."""
    protected: bool = False
    bastion_port: int | None = None
    """Set: it is a bastion whose SSH server listens there."""


def role_of(page: AwsMachines, node: NodePlan) -> AwsRole:
    """The kind of instance for a node: with several roles it counts as control plane before etcd before worker."""
    if node.is_control_plane:
        return page.control_plane
    return page.etcd if node.is_etcd else page.worker


def make_instance(making: Making, shape: Shape, parent: pulumi.Resource) -> tuple[aws.ec2.Instance, pulumi.Output[str]]:
    """An instance, and the public key by which its SSH server is known."""
    child = pulumi.ResourceOptions(parent=parent)
    host_key = tls.PrivateKey(f"{shape.name}-ssh-host", algorithm="ED25519", opts=child)
    booting = pulumi.Output.all(
        private=host_key.private_key_openssh,
        public=host_key.public_key_openssh,
        user=making.user_key.public_key_openssh,
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
    instance = aws.ec2.Instance(
        f"{shape.name}-machine",
        ami=making.ami,
        instance_type=shape.type,
        subnet_id=shape.subnet_id,
        private_ip=shape.address,
        # Nothing about public addresses: the subnets give none (account.py looks at given ones). To say so here as well
        # would replace the bastion, whose elastic address counts as one.
        vpc_security_group_ids=list(shape.groups),
        iam_instance_profile=making.profile,
        source_dest_check=not shape.forwards,
        disable_api_termination=shape.protected,
        user_data_base64=pulumi.Output.secret(booting),
        # One hop: what answers with the instance's credentials and its user data is out of reach for pods, which are
        # one hop further away. Nothing that hardway installs asks it.
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
            kms_key_id=making.page.kms_key,
            delete_on_termination=True,
            tags=making.tags.of(f"{shape.name}-root"),
        ),
        tags=making.tags.of(shape.name, found_by_cloud=shape.bastion_port is None),
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=making.after,
            # Another machine cannot have the address before this one has given it back.
            delete_before_replace=True,
            ignore_changes=_KEPT,
            protect=shape.protected,
        ),
    )
    return instance, host_key.public_key_openssh


def make_volume(making: Making, node: str, zone: str, parent: pulumi.Resource) -> aws.ebs.Volume:
    """The data volume of an etcd member. It outlives the instance that it is attached to."""
    data = making.page.etcd_data
    return aws.ebs.Volume(
        f"{node}-data",
        availability_zone=f"{making.page.region}{zone}",
        type="gp3",
        size=data.size,
        iops=data.iops,
        throughput=data.throughput,
        encrypted=True,
        kms_key_id=making.page.kms_key,
        tags=making.tags.of(f"{node}-data"),
        opts=pulumi.ResourceOptions(parent=parent, protect=making.page.protected),
    )


def attach_volume(
    node: str, volume: aws.ebs.Volume, instance: aws.ec2.Instance, parent: pulumi.Resource
) -> aws.ec2.VolumeAttachment:
    """Give a volume to an instance. One that is terminated gives it back by itself, with all its data written."""
    return aws.ec2.VolumeAttachment(
        f"{node}-data",
        device_name=_DEVICE,
        volume_id=volume.id,
        instance_id=instance.id,
        stop_instance_before_detaching=True,
        opts=pulumi.ResourceOptions(parent=parent, deleted_with=instance, delete_before_replace=True),
    )
