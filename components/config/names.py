"""Names, addresses, URLs and certificates: the kinds of strings which several parts of the page share."""

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from components.architecture import Architecture
from components.config.section import Choice, Rule, whole

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_IPV6 = "is IPv6, which hardway does not support yet"
# RFC 1122 and 5735: none of these can be a network of machines, pods or services.
_UNUSABLE = [ipaddress.IPv4Network(cidr) for cidr in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")]


def is_label(text: str, longest: int = 63) -> bool:
    """A DNS label after RFC 1123: lower case letters, digits and '-' inside, at most 63 characters."""
    return len(text) <= longest and _LABEL.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """Digits of ASCII: `str.isdecimal` is true for the digits of every script, and programs refuse most of them."""
    return text.isascii() and text.isdecimal()


def is_domain(text: str) -> bool:
    """DNS labels joined by dots, at most 253 characters; the last one is not all digits (that would be an address)."""
    labels = text.split(".")
    return len(text) <= 253 and all(is_label(label) for label in labels) and not labels[-1].isdigit()


def is_ipv4(text: str) -> bool:
    """A dotted quad."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_ipv6(text: str) -> bool:
    """Any spelling of an IPv6 address, also in brackets."""
    try:
        ipaddress.IPv6Address(text.strip("[]"))
    except ValueError:
        return False
    return True


def is_network(text: str) -> bool:
    """An IPv4 network without host bits, of any size."""
    try:
        return "/" in text and str(ipaddress.IPv4Network(text)) == text
    except ValueError:
        return False


def label_rule(what: str, longest: int = 63) -> Rule:
    """A DNS label; `what` names it in the message."""
    return Rule(
        what,
        f"a DNS label of at most {longest} characters: lower case letters, digits and '-', not at either end",
        lambda value: None if is_label(value, longest) else f"is not a {what}",
    )


def _address_problem(value: str) -> str | None:
    if is_ipv6(value):
        return _IPV6
    return None if is_ipv4(value) else "is not an IPv4 address"


def _cidr_problem(value: str) -> str | None:
    base, slash, prefix = value.partition("/")
    if is_ipv6(base):
        return _IPV6
    if not (slash and is_ipv4(base) and is_number(prefix) and int(prefix) <= 32):
        return "is not a network"
    network = ipaddress.IPv4Network(value, strict=False)
    if str(network) != f"{base}/{prefix}":
        return f"has host bits set (the network is {network})"
    if any(network.overlaps(other) for other in _UNUSABLE):
        return "covers loopback, link-local, multicast or reserved addresses"
    return None


def _upstream_problem(value: str) -> str | None:
    if value.startswith("/"):
        return None if _PATH.fullmatch(value) else "is not an absolute path"
    host, colon, port = value.rpartition(":")
    if is_ipv6(value) or is_ipv6(host):
        return _IPV6
    if not colon:
        return None if is_ipv4(value) else "is neither an address nor a file"
    ok = is_ipv4(host) and is_number(port) and 1 <= int(port) <= 65535
    return None if ok else "is neither an address nor a file"


def _san_problem(value: str) -> str | None:
    if is_ipv6(value):
        return _IPV6
    return None if is_ipv4(value) or is_domain(value) else "is neither a DNS name nor an IPv4 address"


def _path_problem(value: str) -> str | None:
    if not _PATH.fullmatch(value):
        return "is not a plain absolute path"
    return None


def url_problem(value: str) -> str | None:
    """What is wrong with a http(s) URL that has no secrets. None if nothing is."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL"
    if is_ipv6(host):
        return _IPV6
    if parts.scheme not in ("http", "https") or not (is_domain(host) or is_ipv4(host)) or port == 0:
        return "is not a http(s) URL"
    if parts.username is not None or parts.password is not None:
        return "carries a user or password"
    return "has a query or fragment" if re.search(r"[?#\s\"']", value) else None


def https_problem(value: str) -> str | None:
    """What is wrong with an https URL that has no secrets. None if nothing is."""
    return url_problem(value) or (None if urlsplit(value).scheme == "https" else "is not a https URL")


def certificates_problem(value: str) -> str | None:
    """What is wrong with a text that has to contain certificates in PEM form. Nobody has parsed it yet."""
    return None if "-----BEGIN CERTIFICATE-----" in value else "is not in PEM form"


def certificates_rule(certified: str, *, public: bool = True) -> Rule:
    """A rule for certificates in PEM form that verify a service of others; `certified` names what they verify."""
    allowed = f"certificates in PEM form: authorities of which one has certified {certified}"
    return Rule("certificates", allowed, certificates_problem, public=public)


ArchitectureKey = Annotated[Architecture, Choice()]
Address = Annotated[str, Rule("address", "an IPv4 address such as 192.168.10.11", _address_problem)]
Cidr = Annotated[str, Rule("CIDR", "an IPv4 network such as 10.244.0.0/16, without host bits", _cidr_problem)]
CidrOrWorld = Annotated[
    str,
    Rule(
        "CIDR",
        "an IPv4 network such as 203.0.113.0/24, without host bits, or 0.0.0.0/0",
        lambda value: None if value == "0.0.0.0/0" else _cidr_problem(value),
    ),
]
Domain = Annotated[
    str,
    Rule("domain", "a DNS name such as cluster.local", lambda v: None if is_domain(v) else "is not a DNS name"),
]
DirectoryPath = Annotated[
    str,
    Rule("path", "an absolute path such as /var/lib/etcd: letters, digits and . _ -, no trailing '/'", _path_problem),
]
Interface = Annotated[
    str,
    Rule(
        "interface",
        "the name of a network interface, such as eth0",
        lambda value: None if _INTERFACE.fullmatch(value) else "is not the name of an interface",
    ),
]
Port = Annotated[int, whole("port", 1, 65535)]
San = Annotated[str, Rule("DNS name or address", "a DNS name such as api.example.com or an IPv4 address", _san_problem)]
Upstream = Annotated[
    str, Rule("address or path", "an IPv4 address with an optional :port, or an absolute path", _upstream_problem)
]
Url = Annotated[
    str,
    Rule(
        "URL",
        "http://HOST[:PORT][/PATH] or https://..., without user, query and fragment",
        url_problem,
        convert=lambda value: value.rstrip("/"),
    ),
]
