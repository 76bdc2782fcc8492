"""Regular expressions of JSON Schema (ECMA 262) for the strings of the page, by the kind of their rule.

An expression accepts every value that the rule accepts. An expression that cannot express the whole rule accepts more.
"""

import re
from typing import Any

from components.config.section import Rule
from components.rights import VERBS

_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = rf"{_OCTET}(\.{_OCTET}){{3}}"
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = rf"({_DOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_NUMBER = r"(0|[1-9][0-9]*)"
_SHORT_VERSION = rf"{_NUMBER}(\.{_NUMBER}){{1,2}}"

_PATTERNS = {
    "API group": rf"({_DOMAIN})?",
    "AMI": r"ami-[0-9a-f]{8,17}|(/[A-Za-z0-9._-]+)+",
    "CIDR": rf"{_ADDRESS}/([0-9]|[12][0-9]|3[0-2])",
    "DNS name or address": _DOMAIN,
    "KMS key": r"arn:aws[a-z-]*:kms:\S+",
    "URL": r"https?://.+",
    "VPC": r"vpc-[0-9a-f]{8,17}",
    "address": _ADDRESS,
    "address or path": rf"{_ADDRESS}(:[0-9]+)?|/.*",
    "bucket": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "certificates": r"[\s\S]*-----BEGIN CERTIFICATE-----[\s\S]*",
    "authentication key": r"([0-9A-Fa-f]{2}){16,}",
    "cluster name": _LABEL,
    "country": r"[A-Z]{2}",
    "developer name": _LABEL,
    "domain": _DOMAIN,
    "duration": r"[0-9]{1,9}[smhd]",
    "expression": r"[\s\S]+",
    "field": r"[a-z][A-Za-z0-9]*",
    "flag": r"[a-z][a-z0-9-]*",
    "header": r"[A-Za-z][A-Za-z0-9-]*",
    "host key": r"(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+={0,2}",
    "host or network": rf"\.?{_DOMAIN}|{_ADDRESS}(/([0-9]|[12][0-9]|3[0-2]))?",
    "instance type": r"[a-z][a-z0-9-]*[0-9][a-z0-9-]*\.[a-z0-9-]+",
    "interface": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}",
    "label key": _QUALIFIED,
    "label value": r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?",
    "name of a user or group": r"(?!system:|hardway:)[A-Za-z0-9][A-Za-z0-9._@:/+-]*",
    "name prefix": r"(?!system:|hardway:)[A-Za-z0-9][A-Za-z0-9._@:#/+-]*[:#/]",
    "namespace": rf"(?!kube-|default$){_LABEL}",
    "node name": _LABEL,
    "path": r"(/|~/|\./).*",
    "plugin": r"[A-Z][A-Za-z]*",
    "port range": r"[0-9]{1,5}-[0-9]{1,5}",
    "prefix": r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*",
    "private key": r"\s*-----BEGIN [\s\S]*-----END [\s\S]*",
    "proxy name": _LABEL,
    "proxy": r"https?://[^/\s@]+/*",
    "quota resource": rf"[a-z0-9][A-Za-z0-9._-]*(/{_NAME})?",
    "region": r"[a-z]{2}(-[a-z]+)+-[0-9]",
    "bucket region": r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "registry host": rf"{_DOMAIN}(:[0-9]+)?",
    "resource": r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z][a-z0-9]*)*",
    "role": r"[^/%\s\x00-\x1f\x7f]+",
    "secret": r"[!-~]+",
    "snapshot": r"latest|[0-9a-f]{8,64}|file-[0-9a-f]{16}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
    "subnet": r"subnet-[0-9a-f]{8,17}",
    "tag key": r".+",
    "tag value": r"[\s\S]*",
    "taint key": _QUALIFIED,
    "text": r"[^\x00-\x1f\x7f]+",
    "token": r"[A-Za-z0-9._~+/-]{22,}=*",
    "user name": r"[a-z_][a-z0-9_.-]{0,31}",
    "verb": "|".join(VERBS),
    "version": rf"{_NUMBER}(\.{_NUMBER}){{2}}(-[0-9A-Za-z.-]+)?",
    "whole number or per cent": r"([1-9][0-9]?|100)%",
    "word": r"[!-~]+",
    "zone": r"[a-z]",
}
_LONGEST = re.compile(r"at most (\d+) (?:characters|letters|lower)")
_LONGEST_TEXT = re.compile(r"1 to (\d+) characters")


def pattern_of(rule: Rule) -> dict[str, Any]:
    """The keywords of JSON Schema for a string with this rule."""
    longest = (_LONGEST_TEXT if rule.kind == "text" else _LONGEST).search(rule.allowed)
    # The limit of a label's name leaves out its prefix.
    length = {"maxLength": int(longest[1])} if longest and rule.kind not in ("label key", "taint key") else {}
    pattern = _SHORT_VERSION if "MAJOR.MINOR in" in rule.allowed else _PATTERNS[rule.kind]
    return {"pattern": f"^({pattern})$"} | length
