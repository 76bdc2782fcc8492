"""Rules about exposure, with properties as the SDKs name them and with releases of whole nodes."""

from typing import Any

import pytest
from clusters import NAMES, cluster
from policy_requests import UNKNOWN, Request, asked, asked_stack, load, made, resource, stack

from components.node.payload import Entry, pack

EXPOSURE = {"open-to-the-world", "public-address", "instance-metadata", "unencrypted-volume", "plain-http"}


def aws(name: str, **change: Any) -> Request:
    bag = load("aws")[name]
    return made(bag["type"], name, {**bag["properties"], **change})


@pytest.mark.parametrize("name", [name for name in load("aws") if name.endswith("-good")])
def test_what_is_as_it_should_be(name: str) -> None:
    assert not EXPOSURE & asked(aws(name)).keys()


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("group-bad", "open-to-the-world", "group-bad: port 22 is open to 0.0.0.0/0. "),
        ("rule-bad", "open-to-the-world", "rule-bad: port 22 is open to ::/0. "),
        ("ingress-bad", "open-to-the-world", "ingress-bad: port 22 is open to 0.0.0.0/0. "),
        ("subnet-bad", "public-address", "subnet-bad: reachable from the internet (mapPublicIpOnLaunch). "),
        ("address-bad", "public-address", "address-bad: reachable from the internet (an elastic address). "),
        ("balancer-bad", "public-address", "balancer-bad: reachable from the internet (a load balancer with"),
        ("instance-bad", "public-address", "instance-bad: reachable from the internet (associatePublicIpAddress). "),
        ("template-bad", "public-address", "template-bad: reachable from the internet (networkInterfaces."),
        ("instance-bad", "instance-metadata", "instance-bad: metadataOptions.httpTokens is optional, "),
        ("template-bad", "instance-metadata", "template-bad: metadataOptions.httpTokens is optional, "),
        ("instance-bad", "unencrypted-volume", "instance-bad: the root volume (rootBlockDevice) is not encrypted. "),
        ("template-bad", "unencrypted-volume", "template-bad: the volume /dev/sda1 is not encrypted. "),
        ("volume-bad", "unencrypted-volume", "volume-bad: the volume is not encrypted. "),
        ("listener-bad", "plain-http", "listener-bad: protocol HTTP on port 6443. "),
    ],
)
def test_what_is_not(name: str, rule: str, message: str) -> None:
    found = asked(aws(name))[rule]
    assert found[0].startswith(message)
    assert len(found) == (2 if rule == "instance-metadata" else 1)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("group-bad", {"ingress": UNKNOWN}),
        ("group-bad", {"ingress": [UNKNOWN]}),
        ("group-bad", {"ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": [UNKNOWN]}]}),
        ("rule-bad", {"ipv6CidrBlocks": UNKNOWN}),
        ("ingress-bad", {"cidrIpv4": UNKNOWN}),
        ("subnet-bad", {"mapPublicIpOnLaunch": UNKNOWN}),
        ("balancer-bad", {"internal": UNKNOWN}),
        ("instance-bad", {"associatePublicIpAddress": UNKNOWN, "metadataOptions": UNKNOWN, "rootBlockDevice": UNKNOWN}),
        (
            "instance-good",
            {
                "metadataOptions": {"httpTokens": UNKNOWN, "httpPutResponseHopLimit": UNKNOWN},
                "rootBlockDevice": {"encrypted": UNKNOWN},
            },
        ),
        ("instance-good", {"ebsBlockDevices": UNKNOWN}),
        ("template-good", {"blockDeviceMappings": [{"ebs": UNKNOWN}], "networkInterfaces": UNKNOWN}),
        ("volume-bad", {"encrypted": UNKNOWN}),
        ("listener-bad", {"protocol": UNKNOWN}),
        ("listener-bad", {"port": UNKNOWN}),
    ],
)
def test_what_only_up_will_know(name: str, change: dict[str, Any]) -> None:
    assert not EXPOSURE & asked(aws(name, **change)).keys()


def test_one_unknown_rule_of_a_group_hides_no_other() -> None:
    wide = aws("group-bad")["properties"]["ingress"][0]
    assert len(asked(aws("group-bad", ingress=[{**wide, "cidrBlocks": UNKNOWN}, wide]))["open-to-the-world"]) == 1


@pytest.mark.parametrize(
    ("change", "is_open"),
    [
        ({"cidrIpv4": "0.0.0.0/1"}, True),
        ({"cidrIpv4": "10.0.0.0/7"}, True),
        ({"cidrIpv4": "10.0.0.0/8"}, False),
        ({"cidrIpv4": "203.0.113.0/24"}, False),
        ({"cidrIpv6": "2000::/3", "cidrIpv4": "10.0.0.0/8"}, True),
    ],
)
def test_how_wide_the_world_is(change: dict[str, Any], is_open: bool) -> None:
    assert ("open-to-the-world" in asked(aws("ingress-bad", **change))) == is_open


def test_settings_of_the_world() -> None:
    assert "open-to-the-world" not in asked(aws("ingress-bad"), open_to_the_world={"ports": ["22"]})
    (found,) = asked(aws("ingress-bad", ipProtocol="-1"), open_to_the_world={"ports": ["22"]})["open-to-the-world"]
    assert found.startswith("ingress-bad: every port is open to 0.0.0.0/0. ")
    assert "public-address" not in asked(aws("balancer-bad"), public_address={"names": ["balancer-*"]})
    # Outgoing traffic exposes nothing.
    assert "open-to-the-world" not in asked(aws("rule-bad", type="egress"))


@pytest.mark.parametrize("name", NAMES)
def test_releases_of_this_project_use_tls(name: str) -> None:
    made_of = cluster(name)
    for node in made_of.topology.nodes:
        request = made("command:remote:Command", "stage", {"create": "true", "stdin": made_of.payload(node.name)})
        assert asked(request).keys() <= {"ssh-host-key"}


def unit(command: str) -> Request:
    archive = pack([Entry("units/etcd.service", f"[Service]\nExecStart={command}\n")])
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": archive}
    return made("command:local:Command", "stage", {"create": "true", "stdin": secret})


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/bin/etcd \\\n  --listen-client-urls=https://10.0.0.1:2379,http://127.0.0.1:2379 \\\n --x",
         "--listen-client-urls has http://127.0.0.1:2379"),
        ("/bin/etcd --initial-cluster=a=https://10.0.0.1:2380,b=http://10.0.0.2:2380",
         "--initial-cluster has http://10.0.0.2:2380"),
        ("/bin/kube-apiserver --etcd-servers=http://10.0.0.1:2379", "--etcd-servers has http://10.0.0.1:2379"),
        ("curl http://10.0.0.1:6443/readyz", "http://10.0.0.1:6443"),
    ],
)  # fmt: skip
def test_plain_http_in_a_release(command: str, message: str) -> None:
    (found,) = asked(unit(command))["plain-http"]
    assert found.startswith(f"stage: units/etcd.service: {message}. Use https, ")


def test_metrics_and_health_may_be_plain() -> None:
    command = "/bin/etcd --listen-metrics-urls=http://127.0.0.1:2381 # see http://10.0.0.2/files/etcd"
    assert "plain-http" not in asked(unit(command))


def test_plain_http_in_a_kubeconfig() -> None:
    for server, found in (("http://10.0.0.1:8080", ["plain-http"]), ("https://10.0.0.1:6443", [])):
        kubeconfig = f'{{"clusters": [{{"name": "x", "cluster": {{"server": "{server}"}}}}]}}'
        assert [*asked(made("pulumi:providers:kubernetes", "cluster", {"kubeconfig": kubeconfig}))] == found
    assert asked(made("pulumi:providers:kubernetes", "cluster", {"kubeconfig": UNKNOWN})) == {}


def test_plain_endpoints() -> None:
    found = asked_stack(stack("nothing_changes", {"Stack::policies-dev": {"endpoint": "http://10.0.0.1:6443"}}))
    assert found["plain-http-endpoint"][0].startswith("policies-dev: the endpoint http://10.0.0.1:6443 is plain http. ")
    urls = {"endpoints": ["https://10.0.0.1:2379", "http://10.0.0.2:2379", UNKNOWN]}
    (message,) = asked_stack([made("hardway:etcd:EtcdCluster", "etcd", urls)])["plain-http-endpoint"]
    assert message.startswith("etcd: the endpoint http://10.0.0.2:2379 is plain http. ")
    assert asked_stack([made("hardway:etcd:EtcdCluster", "etcd", {"endpoints": UNKNOWN})]) == {}


@pytest.mark.parametrize("hops", [None, 2, 64, 0, "1", True])
def test_pods_reach_no_metadata_service(hops: Any) -> None:
    options = {"httpTokens": "required"} | ({} if hops is None else {"httpPutResponseHopLimit": hops})
    (found,) = asked(aws("instance-good", metadataOptions=options))["instance-metadata"]
    assert found.startswith("instance-good: metadataOptions.httpPutResponseHopLimit is ")
    off = {"httpEndpoint": "disabled"}
    assert asked(aws("instance-good", metadataOptions=off)) == {}
    assert (
        asked(
            aws("instance-good", metadataOptions={"httpTokens": "required", "httpPutResponseHopLimit": 2}),
            instance_metadata={"hops": 2},
        )
        == {}
    )


def test_many_small_networks_are_a_large_one() -> None:
    parts = [f"{first}.0.0.0/8" for first in range(256)]
    rule = {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": parts}
    (found,) = asked(aws("group-good", ingress=[rule]))["open-to-the-world"]
    assert "0.0.0.0/0" in found
    (found,) = asked(aws("group-good", ingress=[{**rule, "cidrBlocks": ["any"]}]))["open-to-the-world"]
    assert "port 22 is open to any" in found


def test_a_kubeconfig_verifies_the_api() -> None:
    kubeconfig = "clusters: [{cluster: {server: 'https://10.0.0.1:6443', insecure-skip-tls-verify: true}}]"
    (found,) = asked(made("pulumi:providers:kubernetes", "cluster", {"kubeconfig": kubeconfig}))["plain-http"]
    assert "insecure-skip-tls-verify" in found


def test_a_standard_input_that_is_no_archive_is_left_alone() -> None:
    for stdin in ("hush", "aGVsbG8=", UNKNOWN):
        assert asked(made("command:local:Command", "x", {"create": "true", "stdin": stdin})) == {}
    assert "plain-http" not in asked(resource("ssh_first_preview", "stage"))
