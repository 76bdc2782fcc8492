"""Properties of AWS resources with the names that the SDK sends to the engine."""

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
