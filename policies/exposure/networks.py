"""Rules about security groups and public addresses in AWS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import collapse_addresses, ip_network
from typing import Any

from pulumi_policy import Severity

from policies.item import UNKNOWN, Item
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, resource_rule

_GROUPS = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_INSTANCE = "aws:ec2/instance:Instance"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_SUBNET = "aws:ec2/subnet:Subnet"
_ADDRESSES = ("aws:ec2/eip:Eip", "aws:ec2/eipAssociation:EipAssociation")
_BALANCERS = ("aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer")


def world(item: Item, settings: Settings) -> Iterator[str]:
    """Finds incoming traffic that is allowed from (nearly) every address."""
    for rule in _ingress(item):
        for network in _joined(_networks(rule)):
            ports = _ports(rule)
            if _is_wide(network, settings) and not (ports and all(p in settings["ports"] for p in ports)):
                what = "every port" if ports is None else f"port {'-'.join(ports)}"
                yield (
                    f"{item.name}: {what} is open to {network}. Allow only the networks that need it, or add the port "
                    "to the setting ports if everybody may use it."
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


def _joined(networks: Iterable[str]) -> list[str]:
    """Networks that together are larger networks, as these: many small networks may be the whole internet.

    A text that is no network stays as it is.
    """
    parsed: dict[int, list[Any]] = {4: [], 6: []}
    unreadable = []
    for text in networks:
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            unreadable.append(text)
            continue
        parsed[network.version].append(network)
    return [*unreadable, *(str(network) for found in parsed.values() for network in collapse_addresses(found))]


def _ports(rule: Mapping[str, Any]) -> list[str] | None:
    """First and last port, or one port if both are the same. None means all ports."""
    ports = [port for name in ("fromPort", "toPort") if isinstance(port := rule.get(name), int | float)]
    every = str(rule.get("protocol", rule.get("ipProtocol", "-1"))) in ("-1", "all")
    if every or len(ports) != 2:
        return None
    return [f"{port:g}" for port in sorted(set(ports))]


def _is_wide(network: str, settings: Settings) -> bool:
    try:
        parsed = ip_network(network)
    except ValueError:
        return True  # what cannot be read may be everything
    shortest = settings["prefixV4"] if parsed.version == 4 else settings["prefixV6"]
    return parsed.prefixlen < shortest and not parsed.is_private


def public_address(item: Item, settings: Settings) -> Iterator[str]:
    """Finds machines and load balancers with a public address."""
    if matches(item.name, settings["names"]):
        return
    found = None
    if item.type in _ADDRESSES:
        found = "an elastic address"
    elif item.type == _INSTANCE and _is_true(item.props.get("associatePublicIpAddress")):
        found = "associatePublicIpAddress"
    elif item.type == _SUBNET and _is_true(item.props.get("mapPublicIpOnLaunch")):
        found = "mapPublicIpOnLaunch"
    elif item.type in _BALANCERS and not _is_internal(item.props.get("internal")):
        found = "a load balancer with internal unset"
    elif item.type == _TEMPLATE and any(_is_true(nic.get("associatePublicIpAddress")) for nic in _nics(item)):
        found = "networkInterfaces.associatePublicIpAddress"
    if found:
        yield (
            f"{item.name}: reachable from the internet ({found}). Use private addresses, or add the name to the "
            "setting names."
        )


def _nics(item: Item) -> list[Mapping[str, Any]]:
    nics = item.props.get("networkInterfaces")
    return [nic for nic in nics if isinstance(nic, Mapping)] if isinstance(nics, list) else []


def _is_true(value: Any) -> bool:
    # Launch templates have texts in the place of booleans. Everything but a known "no" counts.
    return value is not UNKNOWN and value not in (None, False, "", "false")


def _is_internal(value: Any) -> bool:
    return value is UNKNOWN or value in (True, "true")


RULES: list[Rule] = [
    resource_rule(
        About(
            "open-to-the-world",
            "Security groups allow incoming traffic only from networks that need it.",
            {
                "ports": Setting([], "Ports that everybody may connect to, such as 443."),
                "prefixV4": Setting(
                    8, "Public IPv4 networks with a shorter prefix (in bits) count as the whole internet."
                ),
                "prefixV6": Setting(32, "IPv6 networks with a shorter prefix (in bits) count as the whole internet."),
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
