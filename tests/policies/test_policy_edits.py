"""Random edits of a good plan: every edit that opens the plan is found, in every place and in every spelling."""

import base64
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_requests import Request, asked, load, made

from components.node.payload import Entry, pack

COMMAND = "command:local:Command"
LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
# With a digit, so that no word of a message is a password by chance.
PASSWORD = st.text("abcdefghijkmnopqrstuvwxyz23456789", min_size=8, max_size=20).map(lambda text: f"7{text}")
# A text in a command is in one of these properties, as deep as somebody likes.
PLACES: list[Callable[[str], dict[str, Any]]] = [
    lambda text: {"create": text},
    lambda text: {"update": f"true\n{text}\n"},
    lambda text: {"delete": f"true; {text}"},
    lambda text: {"environment": {"X": text}},
    lambda text: {"interpreter": ["sh", "-c", text]},
    lambda text: {"triggers": [1, {"deep": [text]}]},
]
READ = [
    *PLACES[:5],
    lambda text: {"stdin": text},
    lambda text: {"stdin": pack([Entry("bin/run.sh", text)])},
    lambda text: {"stdin": pack([Entry("a", "x"), Entry("units/x.service", f"ExecStart={text}\n")])},
]


def machine(**change: Any) -> Request:
    return made("aws:ec2/instance:Instance", "machine", {**load("aws")["instance-good"]["properties"], **change})


def test_the_plan_is_good_before_it_is_edited() -> None:
    assert asked(machine()) == {}
    for place in (*PLACES, *READ):
        assert asked(made(COMMAND, "run", place("/opt/kubernetes/bin/settle --wait"))) == {}


@settings(max_examples=60, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    prefix=st.sampled_from(["", "DB_", "my-", "X_Y_"]),
    name=st.sampled_from(["password", "PASSWD", "Secret", "TOKEN"]),
    value=PASSWORD,
    encoded=st.booleans(),
)
def test_a_secret_is_found_wherever_it_is(
    place: Callable[[str], dict[str, Any]], prefix: str, name: str, value: str, encoded: bool
) -> None:
    text = f"{prefix}{name}={value}"
    if encoded:
        text = base64.b64encode(f"{text}; echo {'x' * 40}".encode()).decode()
    found = asked(made(COMMAND, "run", place(text)))
    assert found.keys() == {"secret-in-command"}
    assert value not in str(found)


@settings(max_examples=60, deadline=None)
@given(
    place=st.sampled_from(READ),
    scheme=st.sampled_from(["http", "HTTP", "hTTp"]),
    host=LETTERS,
    port=st.sampled_from([2379, 2380, 6443]),
)
def test_plain_http_is_found_wherever_it_is(
    place: Callable[[str], dict[str, Any]], scheme: str, host: str, port: int
) -> None:
    assert "plain-http" in asked(made(COMMAND, "run", place(f"probe {scheme}://{host}:{port}/health")))


@settings(max_examples=40, deadline=None)
@given(place=st.sampled_from(READ), host=LETTERS, tool=st.sampled_from(["curl -o x", "wget -O x", "curl -fsSL"]))
def test_a_download_is_found_wherever_it_is(place: Callable[[str], dict[str, Any]], host: str, tool: str) -> None:
    assert "artifact-digest" in asked(made(COMMAND, "run", place(f"{tool} https://{host}.example/x")))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(80, 10_000), name=LETTERS)
def test_a_release_that_is_cut_off_is_never_silent(cut: int, name: str) -> None:
    """Either the rules can read the release as it was, or they refuse it."""
    whole = pack([Entry("cfg/x", "".join(f"{number}\n" for number in range(2000))), Entry("z", "http://etcd:2379")])
    part = whole[: min(cut, len(whole) - 4)]
    found = asked(made(COMMAND, name, {"create": "base64 -d | tar -xz", "stdin": part}))
    assert found.keys() & {"artifact-digest", "plain-http"}


@settings(max_examples=60, deadline=None)
@given(
    options=st.fixed_dictionaries(
        {},
        optional={
            "httpTokens": st.sampled_from(["optional", "required", None, "Required", 1]),
            "httpPutResponseHopLimit": st.one_of(st.integers(-1, 64), st.none(), st.just("1"), st.booleans()),
            "httpEndpoint": st.sampled_from(["enabled", None]),
        },
    )
)
def test_the_metadata_service_is_closed_or_found(options: dict[str, Any]) -> None:
    hops = options.get("httpPutResponseHopLimit")
    closed = options.get("httpTokens") == "required" and hops == 1 and not isinstance(hops, bool)
    assert (not asked(machine(metadataOptions=options))) == closed


@settings(max_examples=40, deadline=None)
@given(encrypted=st.sampled_from([False, None, "false", "", "no", 0, "False"]), root=st.booleans())
def test_a_volume_is_encrypted_or_found(encrypted: Any, root: bool) -> None:
    edit = {"rootBlockDevice": {"encrypted": encrypted}} if root else {"ebsBlockDevices": [{"encrypted": encrypted}]}
    assert asked(machine(**edit)).keys() == {"unencrypted-volume"}


@settings(max_examples=40, deadline=None)
@given(
    way=st.lists(st.sampled_from(["spec", "template", "jobTemplate", "podTemplate"]), max_size=4),
    kind=st.sampled_from(["apps/v1:DaemonSet", "apps/v1beta9:Whatever", "core/v1:PodPatch", "example.org/v1:Runner"]),
    place=st.sampled_from(["containers", "initContainers", "ephemeralContainers", "volumes"]),
    listed=st.booleans(),
    image=LETTERS,
)
def test_an_image_without_a_digest_is_found(way: list[str], kind: str, place: str, listed: bool, image: str) -> None:
    entry = {"image": {"reference": image}} if place == "volumes" else {"image": image}
    props: dict[str, Any] = {place: [{"name": "good"}, entry]}
    for step in way:
        props = {step: props}
    found = asked(made(f"kubernetes:{kind}", "x", {"items": [props]} if listed else props))
    assert found.keys() == {"image-digest"}


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, 7), first=st.integers(64, 99), pieces=st.integers(0, 4))
def test_a_wide_network_is_found_also_in_pieces(length: int, first: int, pieces: int) -> None:
    base = (first << 24) >> (32 - length) << (32 - length) if length else 0
    size = 2 ** (32 - length - pieces)
    parts = [base + number * size for number in range(2**pieces)]
    texts = [f"{'.'.join(str(part >> shift & 255) for shift in (24, 16, 8, 0))}/{length + pieces}" for part in parts]
    rule = {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": texts}
    assert "open-to-the-world" in asked(made("aws:ec2/securityGroup:SecurityGroup", "g", {"ingress": [rule]}))
