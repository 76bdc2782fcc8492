"""The page: what is refused and how that reads, what is accepted, and where it comes from."""

import copy
from collections.abc import Callable, Iterator
from datetime import timedelta

import pulumi
import pytest
import yaml
from conftest import DATA, Values, changed, page_values, written
from pydantic import ValidationError

from components.config import ConfigError, Page, durations, from_pulumi, load
from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS
from components.config.introspect import keys
from components.config.machines import LocalSection
from components.config.page import ExtraArgs, ExtraConfig
from components.config.reference import reference
from components.config.rules import check

ROOT = DATA.parent.parent
WRONG = yaml.safe_load((DATA / "wrong_pages.yaml").read_text())
GOOD = ("stacked", "dedicated_etcd", "one_master", "existing")


class Elsewhere(LocalSection):
    """A provider which neither chooses addresses nor brings a mirror, as every provider but the local one."""

    chooses_addresses = False
    serves_mirror = False


def error_of(values: Values, secret: tuple[str, ...] = ()) -> list[str]:
    """The lines of the error that `values` give."""
    with pytest.raises(ConfigError) as caught:
        load(values, secret)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("wrong", WRONG["pages"], ids=lambda wrong: wrong["name"])
def test_wrong_page(wrong: Values) -> None:
    expected = wrong["message"] if isinstance(wrong["message"], list) else [wrong["message"]]
    assert error_of(changed(WRONG[wrong.get("base", "base")], wrong["change"])) == expected


def test_wrong_pages_are_many_and_each_is_named_and_wrong_by_its_change_alone() -> None:
    names = [wrong["name"] for wrong in WRONG["pages"]]
    assert len(names) >= 450
    assert len(set(names)) == len(names)
    load(WRONG["base"])
    load(WRONG["existing"])


def test_every_line_has_a_path_a_problem_and_what_is_allowed() -> None:
    for wrong in WRONG["pages"]:
        for line in error_of(changed(WRONG[wrong.get("base", "base")], wrong["change"])):
            path, problem = line.split(": ", 1)
            assert path.startswith("hardway:")
            assert all(problem.rpartition("; allowed: ")), line
            assert "pydantic" not in line
            assert "hunter2" not in line


def test_all_mistakes_are_told_at_once(stacked: Values) -> None:
    change = {"cluster.name": "X", "nodes[0].roles[0]": "master", "api.port": 0, "network.proxyMode": "x", "typo": 1}
    assert [line.split(": ")[0] for line in error_of(changed(stacked, change))] == [
        "hardway:cluster.name",
        "hardway:nodes[0].roles[0]",
        "hardway:network.proxyMode",
        "hardway:api.port",
        "hardway:typo",
    ]


def test_all_broken_rules_of_the_page_are_told_at_once(stacked: Values) -> None:
    change = {"nodes[4].name": "cp-1", "network.serviceCidr": "10.244.0.0/16", "etcd.electionTimeout": 400}
    assert [line.split(": ")[0] for line in error_of(changed(stacked, change))] == [
        "hardway:nodes[4].name",
        "hardway:network.serviceCidr",
        "hardway:etcd.electionTimeout",
    ]


@pytest.mark.parametrize("key", ["cluster", "nodes"])
def test_required_keys_are_missed_when_absent_as_when_empty(stacked: Values, key: str) -> None:
    absent = {name: value for name, value in stacked.items() if name != key}
    assert error_of(absent) == error_of(changed(stacked, {key: None}))


@pytest.mark.parametrize("name", GOOD)
def test_good_page(name: str) -> None:
    values = page_values(name)
    before = copy.deepcopy(values)
    page = load(values)
    assert values == before
    assert [node.name for node in page.nodes] == [node["name"] for node in values["nodes"]]
    with pytest.raises(ValidationError):
        page.cluster.name = "other"  # type: ignore[misc]


def test_a_key_with_nothing_behind_it_is_left_out(stacked: Values) -> None:
    empty = dict.fromkeys(["network", "dns.upstreams", "pki.subject.country", "nodes[0].labels", "machines.provider"])
    assert load(changed(stacked, empty)) == load(stacked)


def test_values_of_a_page_become_what_code_needs() -> None:
    page = load(page_values("dedicated_etcd"))
    assert page.pki.authorities.renew_before == timedelta(days=365)
    assert durations.hours(page.pki.profiles.server.lifetime) == 2160
    assert durations.hours(page.pki.profiles.peer.lifetime) == 2160
    assert page.network.node_ports == range(20000, 22768)
    assert page.etcd.auto_compaction_retention == "1000"
    assert page.extra_args.kube_apiserver == {"v": "4", "profiling": "false", "event-ttl": "2h"}
    assert page.extra_config.kubelet["featureGates"] == {"NodeSwap": True}
    mirrored = load(changed(page_values("existing"), {"artifacts.mirror": "http://192.168.10.5:8080/hardway/"}))
    assert mirrored.artifacts.mirror == "http://192.168.10.5:8080/hardway"


def test_everything_but_cluster_and_nodes_has_a_default(stacked: Values) -> None:
    page = load({key: stacked[key] for key in ("cluster", "nodes")})
    required = [key for key, field in type(page).model_fields.items() if field.is_required()]
    assert required == ["cluster", "nodes"]
    assert page.versions.pause == "3.10"
    assert isinstance(page.machines, LocalSection)


def test_machines_are_local_unless_said_otherwise(stacked: Values) -> None:
    assert load(changed(stacked, {"machines": {"engine": "docker"}})).machines.engine == "docker"


def test_defaults_would_be_accepted_as_values(stacked: Values) -> None:
    """A default is not validated by the models; written down on a page it has to be."""
    page = load(stacked)
    dumped = page.model_dump(by_alias=True)
    assert load(written(dumped)) == page


def elsewhere(name: str) -> Page:
    """A good page on machines of another provider."""
    return load(page_values(name)).model_copy(update={"machines": Elsewhere()})


def test_other_providers_need_addresses_and_a_mirror() -> None:
    built = elsewhere("one_master")
    built = built.model_copy(update={"artifacts": built.artifacts.model_copy(update={"source": "mirror"})})
    assert [str(finding) for finding in check(built)] == [
        "hardway:nodes[2].address: is missing, the provider local does not choose addresses; "
        "allowed: an IPv4 address such as 192.168.10.11",
        "hardway:artifacts.mirror: is missing, the provider local serves no mirror; "
        "allowed: http://HOST[:PORT][/PATH] or https://...",
    ]
    page = elsewhere("dedicated_etcd")
    mirror = page.artifacts.model_copy(update={"mirror": "http://mirror.example.com"})
    assert check(page.model_copy(update={"artifacts": mirror})) == []


def test_secret_values_are_not_shown(stacked: Values) -> None:
    wrong_type = changed(stacked, {"artifacts.mirror": "hunter2", "api.port": 0})
    assert error_of(wrong_type, ("artifacts",)) == [
        "hardway:api.port: 0 is not between 1 and 65535; allowed: 1 to 65535",
        "hardway:artifacts.mirror: [secret] is not accepted; allowed: http://HOST[:PORT][/PATH] or https://..., "
        "without user, query and fragment",
    ]
    overlap = changed(stacked, {"network": {"podCidr": "10.77.0.0/16", "serviceCidr": "10.77.5.0/24"}})
    [line] = error_of(overlap, ("network",))
    assert line.startswith("hardway:network.serviceCidr: '[secret]' overlaps")
    assert "10.77" not in line


def test_managed_names_belong_to_components_of_the_page() -> None:
    assert set(MANAGED_FLAGS) == set(keys(ExtraArgs))
    assert set(MANAGED_FIELDS) == set(keys(ExtraConfig))


@pytest.mark.parametrize("component", sorted(MANAGED_FLAGS))
def test_every_managed_flag_is_refused(stacked: Values, component: str) -> None:
    given = dict.fromkeys(MANAGED_FLAGS[component], "x")
    assert len(error_of(changed(stacked, {"extraArgs": {component: given}}))) == len(given)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("90s", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("8760h", timedelta(days=365))],
)
def test_durations_are_read_and_written(text: str, parsed: timedelta) -> None:
    assert durations.parse(text) == parsed
    assert durations.text(parsed) == text


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1.5h", "1h30m", "1w", " 1h", "1h\n"])
def test_what_is_no_duration(text: str) -> None:
    assert durations.parse(text) is None


@pytest.fixture
def configure() -> Iterator[Callable[..., None]]:
    """Sets the configuration of the running program as the engine does: structured values as JSON."""

    def configure(**values: str) -> None:
        named = {f"hardway:{key}": value for key, value in values.items()}
        pulumi.runtime.set_all_config(named | {"aws:region": "eu-central-1"}, ["hardway:artifacts"])

    yield configure
    pulumi.runtime.set_all_config({}, [])


NODES = '[{"name": "a", "roles": ["etcd", "control-plane", "worker"]}]'


def test_page_of_the_running_program(configure: Callable[..., None]) -> None:
    configure(cluster='{"name": "one"}', nodes=NODES, api='{"port": 8443}')
    page = from_pulumi()
    assert (page.cluster.name, page.nodes[0].roles, page.api.port) == ("one", ("etcd", "control-plane", "worker"), 8443)


def test_wrong_page_of_the_running_program_is_a_sentence(configure: Callable[..., None]) -> None:
    configure(cluster='{"name": "one"}', nodes=NODES, network="flannel", artifacts="hunter2", cluter="x")
    with pytest.raises(pulumi.RunError) as caught:
        from_pulumi()
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        "hardway:network: 'flannel' is not a mapping",
        "hardway:artifacts: [secret] is not accepted",
        "hardway:cluter: 'cluter' is not a known key",
    ]
    assert caught.value.__suppress_context__


def test_broken_json_of_the_running_program_is_a_sentence(configure: Callable[..., None]) -> None:
    configure(cluster='{"name": "one"', nodes=NODES)
    with pytest.raises(pulumi.RunError, match=r"^hardway:cluster: is not valid JSON; allowed: "):
        from_pulumi()


@pytest.mark.parametrize("stack", ["dev", "onprem"])
def test_stacks_are_good_pages(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    load({key.removeprefix("hardway:"): value for key, value in config.items()})


def test_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == reference(), (
        "run `python -m components.config.reference > docs/configuration.md`"
    )
