"""Rules about who signs for an authority that is given: its private key, or a signing service."""

from collections.abc import Iterator

from components.config.authorities import KEY_FORMS
from components.config.errors import Finding
from components.config.page import Page
from components.x509 import certificates


def signers(page: Page) -> Iterator[Finding]:
    """A given authority has a private key or a signing service; only `etcd` and `frontProxy` may have a service."""
    for name, listed in page.authorities.on_page().items():
        for index, one in enumerate(listed):
            path = f"authorities.{name}[{index}]"
            if one.service is None:
                if one.private_key is None:
                    instead = "" if name == "kubernetes" else "; or `service`, if the key stays outside of the state"
                    yield Finding(f"{path}.privateKey", "is missing", f"{KEY_FORMS}{instead}")
                continue
            if name == "kubernetes":
                problem = (
                    "a signing service cannot sign for the authority of the API, because the kube-controller-managers "
                    "sign certificates of kubelets with the key of this authority, on control-plane nodes"
                )
                yield Finding(f"{path}.service", problem, "privateKey; or a service for `etcd` and `frontProxy`")
            elif one.private_key is not None:
                yield Finding(f"{path}.service", "is beside privateKey", "one of both")
            try:
                certificates(one.service.ca_bundle)
            except ValueError as error:
                yield Finding(f"{path}.service.caBundle", f"the text {error}", "certificates in PEM form")
