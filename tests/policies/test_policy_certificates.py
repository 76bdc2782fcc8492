"""Rules about certificates, with requests of the real engine about the PKI of this project."""

import json
from typing import Any

import pytest
from policy_requests import UNKNOWN, asked, asked_stack, resource, stack

SIGNED = "LocallySignedCert"
KEY = "PrivateKey"
LEAF = f"{SIGNED}::cp-1-apiserver"
AUTHORITY = "SelfSignedCert::kubernetes-ca-1"
ADMIN = f"{SIGNED}::admin"
NOW = "2026-11-30T00:00:00Z"
RECORDINGS = ("first_preview", "nothing_changes", "renewal")


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDWAY_NOW", NOW)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_projects_own_certificates_are_as_they_should_be(recording: str) -> None:
    assert asked_stack(stack(recording)) == {
        "etcd-members": ["1 etcd member (cp-1); allowed: at least 3. Give more nodes the role etcd (hardway:nodes)."]
    }
    for name, kind in (("admin", SIGNED), ("cp-1-etcd-peer", SIGNED), ("cp-1-apiserver", SIGNED), ("admin", KEY)):
        assert asked(resource(recording, name, kind)) == {}


def test_little_life_is_left() -> None:
    ends = {"validityEndTime": "2026-12-01T00:00:00.123456789Z"}
    found = asked_stack(stack("nothing_changes", {LEAF: ends}))["certificate-remaining-life"]
    assert found == [
        "cp-1-apiserver (machine): 24.0 hours left (until 2026-12-01T00:00:00Z); the limit is 168 hours, and no "
        "renewal is planned. `make up` renews it in the last 720 hours before its end; for an earlier renewal raise "
        "renewBefore or use --replace."
    ]


def test_a_certificate_that_has_ended() -> None:
    ends = {"validityEndTime": "2026-11-29T00:00:00Z"}
    (found,) = asked_stack(stack("nothing_changes", {LEAF: ends}))["certificate-remaining-life"]
    assert found.startswith("cp-1-apiserver (machine): ended 2026-11-29T00:00:00Z; the limit is 168 hours, ")


@pytest.mark.parametrize(
    ("end", "name", "kind", "just_enough", "too_little"),
    [
        (AUTHORITY, "kubernetes-ca-1", "authority", "2027-02-28T00:00:00Z", "2027-02-27T23:59:59Z"),
        (LEAF, "cp-1-apiserver", "machine", "2026-12-07T00:00:00Z", "2026-12-06T23:59:59Z"),
        (ADMIN, "admin", "person", "2026-12-02T00:00:00Z", "2026-12-01T23:59:59Z"),
    ],
)
def test_each_kind_has_a_limit_of_its_own(end: str, name: str, kind: str, just_enough: str, too_little: str) -> None:
    recorded = stack("nothing_changes", {end: {"validityEndTime": just_enough}})
    assert "certificate-remaining-life" not in asked_stack(recorded)
    recorded = stack("nothing_changes", {end: {"validityEndTime": too_little}})
    (found,) = asked_stack(recorded)["certificate-remaining-life"]
    assert found.startswith(f"{name} ({kind}): ")


def test_a_certificate_of_a_new_stack_counts_with_its_lifetime() -> None:
    recorded = stack("first_preview", {LEAF: {"validityPeriodHours": 100}})
    (found,) = asked_stack(recorded)["certificate-remaining-life"]
    assert found.startswith(
        "cp-1-apiserver (machine): this plan makes it with a lifetime of 100 hours; allowed: at least 168, "
    )


def test_renewal_in_the_plan_is_enough() -> None:
    assert "certificate-remaining-life" not in asked_stack(stack("renewal", {ADMIN: {}}))
    recorded = stack("nothing_changes", {ADMIN: {"validityEndTime": NOW}})
    assert "certificate-remaining-life" in asked_stack(recorded)
    recorded = stack("nothing_changes", {ADMIN: {"validityEndTime": UNKNOWN}})
    assert "certificate-remaining-life" not in asked_stack(recorded)


def test_an_unknown_certificate_hides_no_other() -> None:
    nothing = dict.fromkeys(("validityEndTime", "validityPeriodHours", "earlyRenewalHours", "isCaCertificate"), UNKNOWN)
    recorded = stack("nothing_changes", {ADMIN: nothing, LEAF: {"validityEndTime": NOW}})
    (found,) = asked_stack(recorded)["certificate-remaining-life"]
    assert found.startswith("cp-1-apiserver (machine): ended")


def test_settings_change_limits() -> None:
    limits = {"machineHours": 9000}
    (*found,) = asked_stack(stack("nothing_changes"), certificate_remaining_life=limits)["certificate-remaining-life"]
    assert sorted(message.split()[0] for message in found) == ["cp-1-apiserver", "cp-1-etcd-peer"]


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"certificate-remaining-life: no setting 'hours'; allowed: authorityHours, "):
        asked_stack(stack("nothing_changes"), certificate_remaining_life={"hours": 1})


def test_authority_ends_before_an_old_leaf() -> None:
    (found,) = asked_stack(
        stack("nothing_changes", {AUTHORITY: {"validityEndTime": "2027-06-01T00:00:00Z"}, ADMIN: {}})
    )["certificate-outlives-authority"]
    assert found.startswith("cp-1-apiserver: valid until 2027-11-21T")
    assert "authority kubernetes-ca-1 that signs it ends 2027-06-01T00:00:00Z" in found


def test_authority_ends_before_a_leaf_that_the_plan_renews() -> None:
    recorded = stack("renewal", {AUTHORITY: {"validityEndTime": "2026-12-15T00:00:00Z"}})
    found = asked_stack(recorded)["certificate-outlives-authority"]
    assert [message.split(":")[0] for message in found] == ["admin", "cp-1-apiserver"]


def test_leaf_and_authority_of_a_new_stack_are_compared_by_their_lifetimes() -> None:
    assert "certificate-outlives-authority" not in asked_stack(stack("first_preview"))
    recorded = stack("first_preview", {AUTHORITY: {"validityPeriodHours": 8000}})
    (found,) = asked_stack(recorded)["certificate-outlives-authority"]
    assert found.startswith("cp-1-apiserver: ")
    recorded = stack("first_preview", {AUTHORITY: {"validityPeriodHours": UNKNOWN}})
    assert "certificate-outlives-authority" not in asked_stack(recorded)


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize(
    ("name", "kind", "change", "rule", "message"),
    [
        ("cp-1-apiserver", SIGNED, {"validityPeriodHours": 8761}, "certificate-lifetime",
         "cp-1-apiserver: made for 8761 hours; the most for this kind (machine) is 8760. "),
        ("kubernetes-ca-1", "SelfSignedCert", {"validityPeriodHours": 87601}, "certificate-lifetime",
         "kubernetes-ca-1: made for 87601 hours; the most for this kind (authority) is 87600. "),
        ("cp-1-apiserver", SIGNED, {"earlyRenewalHours": 335}, "certificate-renewal-window",
         "cp-1-apiserver: renewal starts 335 hours before the end of a lifetime of 8760; allowed: at least 336, "),
        ("cp-1-apiserver", SIGNED, {"earlyRenewalHours": 0}, "certificate-renewal-window",
         "cp-1-apiserver: renewal starts 0 hours before the end of a lifetime of 8760; allowed: at least 336, "),
        ("cp-1-apiserver", SIGNED, {"earlyRenewalHours": 4381}, "certificate-renewal-window",
         "cp-1-apiserver: renewal starts 4381 hours before the end of a lifetime of 8760; allowed: at most 4380, "),
        ("cp-1-apiserver", SIGNED, {"validityPeriodHours": 48, "earlyRenewalHours": 11}, "certificate-renewal-window",
         "cp-1-apiserver: renewal starts 11 hours before the end of a lifetime of 48; allowed: at least 12, "),
        ("cp-1-apiserver", SIGNED, {"isCaCertificate": True}, "certificate-authority-rights",
         "cp-1-apiserver: a leaf with the rights of an authority (isCaCertificate); "),
        ("cp-1-apiserver", SIGNED, {"allowedUses": ["server_auth", "cert_signing"]}, "certificate-authority-rights",
         "cp-1-apiserver: a leaf with the rights of an authority (cert_signing); "),
        ("kubernetes-ca-1", "SelfSignedCert", {"isCaCertificate": False}, "certificate-authority-rights",
         "kubernetes-ca-1: a leaf that signs itself"),
        ("cp-1-apiserver", SIGNED, {"allowedUses": ["client_auth", "server_auth"]}, "certificate-both-uses",
         "cp-1-apiserver: valid for servers and for clients"),
        ("admin", KEY, {"algorithm": "RSA", "rsaBits": 1024}, "key-strength",
         "admin: the RSA key has 1024 bits; allowed: at least 2048. "),
        ("admin", KEY, {"ecdsaCurve": "P224"}, "key-strength",
         "admin: the curve of the ECDSA key is P224; allowed: P256, P384, P521. "),
    ],
)  # fmt: skip
def test_inputs(recording: str, name: str, kind: str, change: dict[str, Any], rule: str, message: str) -> None:
    found = asked(resource(recording, name, kind, change))
    assert found[rule][0].startswith(message)
    # Unknown values have no message.
    unknown = asked(resource(recording, name, kind, dict.fromkeys(change, UNKNOWN)))
    assert rule not in unknown


def test_a_curve_has_to_be_said() -> None:
    request = resource("nothing_changes", "admin", KEY)
    del request["properties"]["ecdsaCurve"]
    assert asked(request)["key-strength"][0].startswith("admin: the curve of the ECDSA key is P224")
    request["properties"]["algorithm"] = "RSA"
    assert asked(request) == {}


def test_settings_name_exceptions() -> None:
    intermediate = resource("nothing_changes", "cp-1-apiserver", SIGNED, {"isCaCertificate": True})
    allowed = {"certificate_authority_rights": {"authorities": ["cp-?-apiserver"]}}
    assert "certificate-authority-rights" in asked(intermediate)
    assert "certificate-authority-rights" not in asked(intermediate, **allowed)
    peer = resource("nothing_changes", "cp-1-etcd-peer", SIGNED)
    assert "certificate-both-uses" in asked(peer, certificate_both_uses={"peers": []})


@pytest.mark.parametrize("recording", RECORDINGS)
def test_credentials_of_people(recording: str) -> None:
    recorded = stack(recording, {ADMIN: {"validityPeriodHours": 721}})
    (found,) = asked_stack(recorded)["admin-credential-lifetime"]
    assert found.startswith("admin: the credential of a person has a lifetime of 721 hours; allowed: at most 720. ")
    machine = stack(
        recording, {"CertRequest::admin": {"subject.organization": "system:nodes"}, ADMIN: {"validityPeriodHours": 721}}
    )
    assert "admin-credential-lifetime" not in asked_stack(machine)
    unknown = stack(recording, {ADMIN: {"validityPeriodHours": UNKNOWN}})
    assert "admin-credential-lifetime" not in asked_stack(unknown)


DEPLOYER = {"CertRequest::admin": {"subject.organization": "system:masters"}}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_credential_with_all_rights_lives_for_a_week_at_most(recording: str) -> None:
    recorded = stack(recording, DEPLOYER | {ADMIN: {"validityPeriodHours": 169}})
    (found,) = asked_stack(recorded)["admin-credential-lifetime"]
    assert found == (
        "admin: a credential with all rights has a lifetime of 169 hours; allowed: at most 168. "
        "Lower hardway:pki.profiles.deployer.lifetime."
    )
    within = stack(recording, DEPLOYER | {ADMIN: {"validityPeriodHours": 168}})
    assert "admin-credential-lifetime" not in asked_stack(within)
    stricter = asked_stack(within, admin_credential_lifetime={"deployerHours": 100})
    assert "allowed: at most 100. " in stricter["admin-credential-lifetime"][0]
    # Who counts the group among people does not lengthen its limit.
    people = asked_stack(recorded, admin_credential_lifetime={"people": ["system:*"]})
    assert "admin-credential-lifetime" in people


def test_the_credential_with_all_rights_may_end() -> None:
    """Each `up` renews it before it uses it, so a cluster that nobody changes for a week needs no attention."""
    ended = {ADMIN: {"validityEndTime": "2026-11-29T00:00:00Z", "validityPeriodHours": 72}}
    assert "certificate-remaining-life" in asked_stack(stack("nothing_changes", ended))
    assert "certificate-remaining-life" not in asked_stack(stack("nothing_changes", DEPLOYER | ended))
    made = stack("first_preview", DEPLOYER | {ADMIN: {"validityPeriodHours": 2}})
    assert "certificate-remaining-life" not in asked_stack(made)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_keys_of_certificates(recording: str) -> None:
    edwards = stack(recording, {f"{KEY}::admin": {"algorithm": "ED25519"}})
    (found,) = asked_stack(edwards)["certificate-key"]
    assert found.startswith("admin: the algorithm of its key is ED25519; allowed: ECDSA, RSA. ")
    unknown = stack(recording, {f"{KEY}::admin": {"algorithm": UNKNOWN}})
    assert "certificate-key" not in asked_stack(unknown)
    shared = stack(recording)
    request, other = (r for r in shared if r["urn"].endswith(("CertRequest::admin", "CertRequest::cp-1-apiserver")))
    other["propertyDependencies"] = request["propertyDependencies"]
    (found,) = asked_stack(shared)["certificate-key"]
    assert found.startswith("admin: 2 certificates share this private key (admin, cp-1-apiserver)")


def test_the_clock_takes_a_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDWAY_NOW", "tomorrow")
    with pytest.raises(ValueError, match=r"HARDWAY_NOW: 'tomorrow' is not a time; allowed: RFC 3339"):
        asked_stack(stack("nothing_changes"))


def test_the_certificate_of_a_signing_service_may_end_before_its_draft() -> None:
    """The service was away when the draft was renewed, so the output of the last complete `up` has the end."""
    name, soon = "cp-1-etcd-peer", "2026-12-01T00:00:00Z"
    recorded = stack("nothing_changes", {"pulumi:pulumi:Stack::policies-dev": {"certificates": []}})
    (whole,) = [one for one in recorded if one["type"] == "pulumi:pulumi:Stack"]
    whole["properties"]["certificates"] = [{"name": name, "notAfter": soon}, {"name": "admin", "notAfter": soon}]
    assert "certificate-remaining-life" not in asked_stack(recorded)
    text = json.dumps(recorded).replace("::etcd-ca-1", "::etcd-drafts-1").replace('"etcd-ca-1"', '"etcd-drafts-1"')
    (found,) = asked_stack(json.loads(text))["certificate-remaining-life"]
    assert found.startswith(f"{name} (machine): 24.0 hours left (until {soon}); ")
    whole["properties"]["certificates"] = UNKNOWN
    text = json.dumps(recorded).replace("::etcd-ca-1", "::etcd-drafts-1").replace('"etcd-ca-1"', '"etcd-drafts-1"')
    assert "certificate-remaining-life" not in asked_stack(json.loads(text))
