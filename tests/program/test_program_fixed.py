"""A change of a fixed value is refused before anything else happens."""

import json
from typing import Any

import pytest
from clusters import cluster, lock_data
from recording import Recording, page, recorded, run

STASH = "pulumi:index:Stash"


def first() -> dict[str, str]:
    """The values that the first `up` of the local cluster records."""
    values: dict[str, str] = recorded("stacked").named(STASH, "fixed-values").inputs["input"]
    return values


def later(change: dict[str, Any], *, preview: bool = False) -> Recording:
    """A run with another page, after the first `up`."""
    stashes = {"FAKE_STASHES": json.dumps({"fixed-values": first()})}
    return run(page("stacked", change), lock=lock_data(cluster("stacked").page), extra=stashes, preview=preview)


CHANGES = {
    "cluster.domain": "example.local",
    "network.podCidr": "10.50.0.0/16",
    "network.nodeCidrMaskSize": 25,
    "network.serviceCidr": "10.51.0.0/16",
    "etcd.dataDir": "/srv/etcd",
    "etcd.walDir": "/srv/wal",
    "api.port": 7443,
    "machines.portBase": 21000,
    "machines.subnet": "10.77.0.0/24",
}


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_fixed_values_are_refused_together(preview: bool) -> None:
    """The error has path, both values and what to do, before anything else is registered."""
    ended = later(CHANGES, preview=preview)
    assert ended.error is not None
    assert ended.error["type"] == "RunError"
    said = {line.partition("; allowed: ")[0] for line in ended.error["text"].splitlines()}
    assert said == {
        f"hardway:{path}: {str(value)!r} cannot take the place of {first()[path]!r} on a running cluster"
        for path, value in CHANGES.items()
    }
    assert "make another stack beside this one" in ended.error["text"]
    assert [resource.name for resource in ended.resources] == ["fixed-values"]


def test_one_changed_value_is_one_line() -> None:
    ended = later({"network.podCidr": "10.50.0.0/16"})
    assert ended.error is not None
    assert len(ended.error["text"].splitlines()) == 1


def test_an_unchanged_page_goes_on() -> None:
    assert later({}).error is None
    assert later({}, preview=True).error is None


def test_a_path_that_the_record_does_not_have_is_not_compared() -> None:
    record = {path: value for path, value in first().items() if path != "network.podCidr"}
    stashes = {"FAKE_STASHES": json.dumps({"fixed-values": record})}
    changed = page("stacked", {"network.podCidr": "10.50.0.0/16"})
    assert run(changed, lock=lock_data(cluster("stacked").page), extra=stashes).error is None


def test_the_name_of_a_cluster_is_a_label() -> None:
    renamed = later({"cluster.name": "prod"})
    assert renamed.error is None
    before, after = recorded("stacked").of("kubernetes:"), renamed.of("kubernetes:")
    assert {resource.urn for resource in before} == {resource.urn for resource in after}
    providers = [run_.of("pulumi:providers:kubernetes")[0] for run_ in (recorded("stacked"), renamed)]
    assert providers[0].urn == providers[1].urn
    assert [provider.ignore_changes for provider in providers] == [("clusterIdentifier",)] * 2
    # In a stack of an earlier version, the provider has the name of the cluster.
    assert providers[0].aliases == ("stacked",)


def test_what_the_page_says_of_keys_does_not_change_an_authority() -> None:
    kept = {
        "tls:index/privateKey:PrivateKey": {"algorithm", "ecdsaCurve", "rsaBits"},
        "tls:index/selfSignedCert:SelfSignedCert": {"subject", "validityPeriodHours", "earlyRenewalHours"},
    }
    run_ = recorded("stacked")
    for type_, names in kept.items():
        made = [r for r in run_.of(type_) if r.name.endswith("-ca-1") or r.name == "service-account-1"]
        assert len(made) >= 3
        for resource in made:
            assert names <= set(resource.ignore_changes), resource.name
