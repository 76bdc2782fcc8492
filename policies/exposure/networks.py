"""Security groups and public addresses on AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from pulumi_policy import Policy, Severity

from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Setting, Settings, resource_rule

_GROUPS = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_INSTANCE = "aws:ec2/instance:Instance"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_SUBNET = "aws:ec2/subnet:Subnet"
_ADDRESSES = ("aws:ec2/eip:Eip", "aws:ec2/eipAssociation:EipAssociation")
_BALANCERS = ("aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer")


def world(item: Item, settings: Settings) -> Iterator[str]:
    """Incoming traffic allowed from (nearly) every address."""
    for rule in _ingress(item):
        for network in _networks(rule):
            ports = _ports(rule)
            if _is_wide(network, settings) and not (ports and all(p in settings["ports"] for p in ports)):
                what = "every port" if ports is None else f"port {'-'.join(ports)}"
                yield (
                    f"{item.name}: {what} is open to {network}. Name the networks that need it, or, for a port that "
                    "is meant for everybody, add it to the setting ports."
                )


def _ingress(item: Item) -> list[Mapping[str, Any]]:
    if item.type in _GROUPS:
        rules = item.props.get("ingress")
        return [rule for rule in rules if isinstance(rule, Mapping)] if isinstance(rules, list) else []
    return [] if item.type == _RULE and item.text("type") == "egress" else [item.props]


def _networks(rule: Mapping[str, Any]) -> list[str]:
    lists = [rule.get(name) for name in ("cidrBlocks", "ipv6CidrBlocks")]
    several = [network for networks in lists if isinstance(networks, list) for network in networks]
    return [network for network in (*several, rule.get("cidrIpv4"), rule.get("cidrIpv6")) if isinstance(network, str)]


def _ports(rule: Mapping[str, Any]) -> list[str] | None:
    """First and last port, one if they are the same; None: all of them."""
    first, last = rule.get("fromPort"), rule.get("toPort")
    every = str(rule.get("protocol", rule.get("ipProtocol", "-1"))) in ("-1", "all")
    if every or not all(isinstance(port, int | float) for port in (first, last)):
        return None
    return [f"{port:g}" for port in sorted({first, last})]


def _is_wide(network: str, settings: Settings) -> bool:
    parsed = ip_network(network, strict=False)
    shortest = settings["prefixV4"] if parsed.version == 4 else settings["prefixV6"]
    return parsed.prefixlen < shortest and not parsed.is_private


def public_address(item: Item, settings: Settings) -> Iterator[str]:
    """Machines and load balancers with an address on the internet."""
    if matches(item.name, settings["names"]):
        return
    found = None
    if item.type in _ADDRESSES:
        found = "an elastic address"
    elif item.type == _INSTANCE and item.props.get("associatePublicIpAddress"):
        found = "associatePublicIpAddress"
    elif item.type == _SUBNET and item.props.get("mapPublicIpOnLaunch"):
        found = "mapPublicIpOnLaunch"
    elif item.type in _BALANCERS and item.props.get("internal", False) is False:
        found = "a load balancer with internal unset"
    elif item.type == _TEMPLATE and any(_is_true(nic.get("associatePublicIpAddress")) for nic in _nics(item)):
        found = "networkInterfaces.associatePublicIpAddress"
    if found:
        yield (
            f"{item.name}: reachable from the internet ({found}). Keep machines on private addresses, or add it to "
            "the setting names."
        )


def _nics(item: Item) -> list[Mapping[str, Any]]:
    nics = item.props.get("networkInterfaces")
    return [nic for nic in nics if isinstance(nic, Mapping)] if isinstance(nics, list) else []


def _is_true(value: Any) -> bool:
    # Launch templates spell their booleans as texts.
    return value is True or value == "true"


RULES: list[Policy] = [
    resource_rule(
        About(
            "open-to-the-world",
            "Security groups let in only who has to come in.",
            {
                "ports": Setting([], "Ports that everybody may reach, such as 443."),
                "prefixV4": Setting(8, "Public IPv4 networks with a shorter prefix (in bits) count as the world."),
                "prefixV6": Setting(32, "IPv6 networks with a shorter prefix (in bits) count as the world."),
            },
            Severity.CRITICAL,
        ),
        [*_GROUPS, _RULE, _INGRESS],
        world,
    ),
    resource_rule(
        About(
            "public-address",
            "Machines have no public addresses.",
            {"names": Setting([], "Resources that may be public, such as the load balancer of the API.")},
        ),
        [_INSTANCE, _SUBNET, _TEMPLATE, *_ADDRESSES, *_BALANCERS],
        public_address,
    ),
]
