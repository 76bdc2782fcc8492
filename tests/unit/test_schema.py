"""The JSON Schema of the page: current, accepts everything that `load` accepts, refuses obvious mistakes."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from conftest import DATA, Values, changed, page_values
from jsonschema import Draft7Validator

from components.config import Page
from components.config.introspect import bare_type, fields, is_section, rule_of, variants
from components.config.patterns import pattern_of
from components.config.schema import FILE, schema
from components.config.section import Rule, Section

ROOT = DATA.parent.parent
STACKS = sorted([*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/*.yaml")])
WRONG = yaml.safe_load((DATA / "wrong_pages.yaml").read_text())
# One mistake of each kind that an editor can show.
SHOWN = {
    "unknown top-level key",
    "unknown key in a section",
    "unknown key in a node",
    "unknown key of the machine provider",
    "snake case instead of camel case",
    "cluster is missing",
    "cluster name is missing",
    "nodes are missing",
    "nodes are empty",
    "nodes are a mapping",
    "a node is a string",
}
VALIDATOR = Draft7Validator(schema())


def problems(page: Any) -> list[str]:
    """The errors of the schema for the file of a stack."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(page)]


def stack_file(values: Values) -> Values:
    """The file of a stack with these top-level keys."""
    return {"config": {f"hardway:{key}": value for key, value in values.items()}}


def rules(annotation: Any) -> Iterator[Rule]:
    """All rules in an annotation of the models."""
    kind, rule = bare_type(annotation), rule_of(annotation)
    if isinstance(rule, Rule):
        yield rule
    models: list[type[Section]] = [*variants(annotation).values()] or ([kind] if is_section(kind) else [])
    for below in [field for model in models for _, field in fields(model)] + [*get_args(kind)]:
        yield from rules(below)


def texts(value: Any) -> Iterator[str]:
    """All strings in a value, including keys, and parts of these strings: many are valid for some rule."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield from (value, value[:-1], value[1:], value[: len(value) // 2], f"{value}0", f"{value}.a", f"a/{value}")


def test_the_schema_is_current() -> None:
    assert json.loads((ROOT / FILE).read_text()) == schema(), f"run `python -m components.config.schema > {FILE}`"


def test_the_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.name)
def test_pages_of_stacks_fit_and_name_the_schema(path: Any) -> None:
    text = path.read_text()
    assert text.startswith(f"# yaml-language-server: $schema={FILE}\n")
    assert problems(yaml.safe_load(text)) == []


def test_there_are_pages() -> None:
    names = {"Pulumi.dev.yaml", "Pulumi.onprem.yaml", "Pulumi.aws.yaml", "three-masters.yaml"}
    assert names <= {path.name for path in STACKS}


@pytest.mark.parametrize("path", sorted((DATA / "pages").glob("*.yaml")), ids=lambda path: path.stem)
def test_good_pages_fit(path: Any) -> None:
    assert problems(stack_file(page_values(path.stem))) == []


def test_what_pulumi_writes_fits(stacked: Values) -> None:
    page = stack_file(stacked)
    page["encryptionsalt"] = "v1:abc"
    page["config"]["aws:region"] = "eu-central-1"
    page["config"]["hardway:extraArgs"] = {"kubelet": {"v": {"secure": "v1:def"}}}
    assert problems(page) == []


def test_keys_with_nothing_behind_them_fit(stacked: Values) -> None:
    """Keys without a value, such as `machines:`, `labels:` and `provider:`, count as left out."""
    change = {"machines": None, "nodes[0].labels": None, "network.flannel": None, "pki.algorithm": None}
    assert problems(stack_file(changed(stacked, change))) == []
    assert problems(stack_file(changed(stacked, {"machines": {"provider": None, "engine": "podman"}}))) == []


def test_every_string_that_a_rule_accepts_fits_its_pattern() -> None:
    pages = [yaml.safe_load(path.read_text()) for path in (*STACKS, *(DATA / "pages").glob("*.yaml"))]
    tried = sorted({text for page in [*pages, WRONG] for text in texts(page)})
    found = {(rule.kind, rule.allowed): rule for _, field in fields(Page) for rule in rules(field)}
    strings = [rule for rule in found.values() if rule.accepts == (str,)]
    accepted = 0
    for rule in strings:
        validator = Draft7Validator(pattern_of(rule))
        for text in tried:
            if rule.check(text) is None:
                accepted += 1
                assert validator.is_valid(text), (rule.kind, text)
    assert len(strings) > 30 and accepted > 1000


@pytest.mark.parametrize(
    "wrong", [wrong for wrong in WRONG["pages"] if wrong["name"] in SHOWN], ids=lambda w: w["name"]
)
def test_mistakes_of_shape_are_shown(wrong: Values) -> None:
    assert problems(stack_file(changed(WRONG[wrong.get("base", "base")], wrong["change"])))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("network.podCidr", "10.244.0.0"),
        ("network.podCidr", "10.244.0.0/33"),
        ("network.proxyMode", "userspace"),
        ("api.port", 0),
        ("api.port", 65536),
        ("api.port", "6443"),
        ("api.port", True),
        ("cluster.name", "Dev"),
        ("cluster.name", "a" * 21),
        ("cluster.protect", "yes"),
        ("versions.kubernetes", 1.37),
        ("versions.kubernetes", "v1.37.1"),
        ("versions.pause", 3.1),
        ("pki.profiles.server.lifetime", "1y"),
        ("pki.profiles.server.lifetime", 8760),
        ("nodes[0].roles[0]", "master"),
        ("nodes[0].roles", []),
        ("machines", {"provider": "gcp"}),
        ("machines", {"provider": "aws"}),
        ("machines", {"provider": "existing", "subnet": "10.0.0.0/24"}),
        ("extraArgs", {"kube-apiserver": {"--v": 2}}),
        ("extraArgs", {"kube-apiserver": {"etcd-servers": "https://127.0.0.1:2379"}}),
        ("extraConfig", {"kubelet": {"clusterDomain": "example.com"}}),
    ],
)
def test_wrong_values_are_shown(stacked: Values, path: str, value: Any) -> None:
    assert problems(stack_file(stacked)) == []
    assert problems(stack_file(changed(stacked, {path: value})))


def test_a_file_without_a_page_is_shown() -> None:
    assert problems({}) and problems({"config": {}}) and problems({"confg": {}, "config": stack_file({})["config"]})


def test_keys_are_explained(stacked: Values) -> None:
    """An editor shows meaning, allowed values and default of a key."""
    network = schema()["properties"]["config"]["properties"]["hardway:network"]["properties"]
    assert network["podCidr"] == {
        "description": "Network of all pods. Each node gets a part of it. "
        "Allowed: an IPv4 network such as 10.244.0.0/16, without host bits.",
        "default": "10.244.0.0/16",
        "type": ["string", "null"],
        "pattern": network["podCidr"]["pattern"],
    }
    assert network["proxyMode"]["enum"] == ["nftables", "iptables", "ipvs", None]
    assert (network["flannel"]["properties"]["vni"]["minimum"], network["nodeCidrMaskSize"]["maximum"]) == (1, 28)
