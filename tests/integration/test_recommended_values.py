"""Values of flags and fields that people use: a page with one of them is accepted, in each version."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from conftest import DATA, Values, changed, page_values

from components.config import ConfigError, load
from components.config.cluster import KUBERNETES_MINORS

RECOMMENDED = yaml.safe_load((DATA / "recommended.yaml").read_text())


def changes() -> Iterator[Values]:
    """What each value is on a page, which has no other flags and fields."""
    for section, components in RECOMMENDED.items():
        for component, values in components.items():
            for value in values:
                yield {"extraArgs": {}, "extraConfig": {}, f"{section}.{component}": value}


@pytest.mark.parametrize("minor", KUBERNETES_MINORS)
def test_no_page_refuses_them(minor: str) -> None:
    tried, refused = 0, []
    for change in changes():
        tried += 1
        try:
            load(changed(page_values("stacked"), change | {"versions.kubernetes": f"{minor}.1"}))
        except ConfigError as error:
            refused.append(str(error))
    assert refused == []
    assert tried > 500


@pytest.mark.parametrize(
    "change",
    [
        # The feature gates are those of the emulated version.
        {"extraArgs.kube-apiserver": {"emulated-version": "1.36", "feature-gates": "SidecarContainers=true"}},
        {"extraArgs.kube-apiserver": {"emulated-version": "kube=1.36.0", "emulation-forward-compatible": "true"}},
        # Nobody recorded the feature gates of these versions.
        {
            "versions.kubernetes": "1.35.4",
            "extraArgs.kube-apiserver": {"feature-gates": "AllAlpha=true", "log-json-split-stream": "true"},
        },
        {"versions.kubernetes": "1.34.4", "extraArgs.kube-apiserver": {"peer-ca-file": "/etc/ca.pem"}},
        # The defaults of etcd 3.5.
        {"versions.etcd": "3.5.21", "extraArgs.etcd": {"v2-deprecation": "not-yet", "discovery-fallback": "proxy"}},
        {"extraArgs.etcd": {"log-outputs": "/var/lib/etcd/log", "enable-log-rotation": True}},
        # A batch that nobody throttles, and a webhook that nobody uses.
        {"extraArgs.kube-apiserver": {"audit-log-mode": "batch", "audit-log-batch-throttle-burst": 0}},
        {"extraArgs.kube-apiserver": {"audit-webhook-batch-max-size": 0}},
    ],
)
def test_pages_that_are_good(change: Values) -> None:
    load(changed(page_values("stacked"), {"extraArgs": {}, "extraConfig": {}} | change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"audit-webhook-config-file": "/etc/webhook", "audit-webhook-batch-throttle-qps": 0}, "a number above 0"),
        ({"audit-log-mode": "batch", "audit-log-batch-buffer-size": 0}, "at least 1"),
        ({"emulated-version": "1.36.4"}, "MAJOR.MINOR"),
        ({"runtime-config": "api/all=yes"}, "is not accepted"),
        ({"cors-allowed-origins": "example.com"}, "is not accepted"),
        ({"api-audiences": 'a"b'}, "is not a list"),
    ],
)
def test_pages_that_are_wrong(change: Values, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(changed(page_values("stacked"), {"extraArgs": {"kube-apiserver": change}}))
