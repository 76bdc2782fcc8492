"""`hardway:artifacts`: where nodes get binaries and images from, and through which proxy."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from components.config.names import (
    Url,
    certificates_rule,
    is_domain,
    is_ipv4,
    is_network,
    is_number,
    url_problem,
)
from components.config.section import Choice, Rule, Section
from components.x509 import certificates_alone


def _registry_problem(value: str) -> str | None:
    host, colon, port = value.partition(":")
    known = is_domain(host) or is_ipv4(host)
    in_range = is_number(port) and 1 <= int(port) <= 65535
    return None if known and (in_range or not colon) else "is not a registry host"


_REGISTRY = Rule("registry host", "HOST or HOST:PORT such as docker.io", _registry_problem)


def _proxy_problem(value: str) -> str | None:
    found = url_problem(value)
    if found is None and urlsplit(value).path.strip("/"):
        found = "has a path"
    return found


_PROXY = Rule(
    "proxy",
    "http://HOST[:PORT] or https://HOST[:PORT], without user and password: every node has the URL in plain text",
    _proxy_problem,
    convert=lambda value: value.rstrip("/"),
)


def _exception_problem(value: str) -> str | None:
    known = is_domain(value.removeprefix(".")) or is_ipv4(value) or is_network(value)
    return None if known else "is neither a host nor a network"


_EXCEPTION = Rule(
    "host or network",
    "a DNS name, which stands for its subdomains too, an IPv4 address, or an IPv4 network such as 10.0.0.0/8",
    _exception_problem,
)


_AUTHORITIES = certificates_rule("the mirror")


class Proxy(Section):
    """A proxy for what nodes fetch: programs, Debian packages, images. Nothing else uses the proxy."""

    http: Annotated[str, _PROXY] | None = None
    """Proxy for what is fetched over http."""
    https: Annotated[str, _PROXY] | None = None
    """Proxy for what is fetched over https. The URL of the proxy itself usually begins with http."""
    no_proxy: tuple[Annotated[str, _EXCEPTION], ...] = ()
    """What is fetched without the proxy, such as a mirror. The machine itself, pods and services are always."""

    def of(self, url: str) -> str | None:
        """The proxy for a URL. None if nodes connect to the server themselves."""
        parts = urlsplit(url)
        excepted = any(_covers(entry, parts.hostname or "") for entry in self.no_proxy)
        return None if excepted else (self.https if parts.scheme == "https" else self.http)

    def urls(self) -> Iterator[str]:
        """The URLs of the proxies, each once."""
        yield from dict.fromkeys(url for url in (self.http, self.https) if url)


def _covers(entry: str, host: str) -> bool:
    if is_network(entry):
        return is_ipv4(host) and IPv4Address(host) in IPv4Network(entry)
    name = entry.removeprefix(".")
    return host == name or (not is_ipv4(host) and host.endswith(f".{name}"))


class Artifacts(Section):
    """Where nodes get binaries and images from."""

    source: Annotated[Literal["auto", "mirror", "upstream"], Choice()] = "auto"
    """`upstream`: the projects' own release files. `mirror`: what `make tools` builds from source. `auto`: what the
    stack has, or for a new stack release files, if they can be had."""
    mirror: Url | None = None
    """Base URL of a mirror from which nodes get everything, by digest. Required with the source `mirror`. Local
    machines need none: this host serves its own mirror."""
    registry_mirrors: dict[Annotated[str, _REGISTRY], Url] = Field(default_factory=dict)
    """Mirrors to pull images from instead of a registry, by registry host. Over `http://` by digest only, not by
    tag."""
    certificate_authority: Annotated[str, _AUTHORITIES] | None = None
    """Authorities that verify mirrors over https, besides those that a node trusts anyway. For programs and images;
    Debian packages come from the sources of the machine."""
    proxy: Proxy | None = None
    """A proxy for what nodes fetch. Unset: programs and packages use the proxy of the host's environment, if any."""

    @property
    def authorities(self) -> str:
        """The certificates of `certificate_authority` alone, in PEM, as curl and Go read them. Empty if it is unset."""
        return certificates_alone(self.certificate_authority) if self.certificate_authority is not None else ""

    def secure_mirrors(self) -> Iterator[str]:
        """The URLs of the page from which nodes fetch over https."""
        given = (self.mirror, *self.registry_mirrors.values())
        yield from (url for url in given if url and urlsplit(url).scheme == "https")
