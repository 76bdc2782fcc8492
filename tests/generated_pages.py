"""Pages that hypothesis makes up: from the models and the tables of flags and fields, and with mistakes in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from conftest import DATA, Values, page_values
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal.conjecture import providers

from components.config import Page, accepted
from components.config.flag_limits import is_file, limit_of
from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS
from components.config.introspect import bare_type, fields, is_section, rule_of, variants
from components.config.limits import Limit
from components.config.nodes import Node
from components.config.patterns import pattern_of
from components.config.section import Choice, Rule

# The tables that hypothesis makes of all characters; else a folder in the working directory has them.
set_hypothesis_home_dir(DATA.parents[1] / ".cache/hypothesis")
# Hypothesis takes numbers and texts also from the modules that are loaded: the pages would depend on the tests that ran
# before in the same process. There is no public switch.
assert callable(providers.is_local_module_file)
providers.is_local_module_file = lambda path: False

BASES = tuple(sorted(path.stem for path in (DATA / "pages").glob("*.yaml")))
VERSIONS = {"kube-proxy": "1.37.1", "etcd": "3.7.2"}
"""Of whose programs the tables of flags and fields are used; all others have the version of kube-proxy."""

words = st.sampled_from(
    ["", "x", "a-b", "10.0.0.1", "10.0.0.0/24", "/etc/x", "1h", "-1s", "0s", "100Mi", "true", "0.5"]
)
"""Texts of which each is right somewhere, and wrong in most places."""
junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
"""Whatever JSON can say."""


def of_rule(rule: Rule) -> st.SearchStrategy[Any]:
    """Values of which a rule accepts most, by its pattern or its limits."""
    options: list[st.SearchStrategy[Any]] = []
    if bool in rule.accepts:
        options.append(st.booleans())
    if int in rule.accepts:
        numbers = [int(word) for word in rule.allowed.replace("(", " ").split() if word.isdecimal()]
        low, high = (numbers[0], numbers[1]) if len(numbers) > 1 else (0, 100)
        options.append(st.integers(low, high) | st.sampled_from([low - 1, low, high, high + 1]))
    if str in rule.accepts:
        pattern = pattern_of(rule) if rule.accepts == (str,) else {}
        options.append(st.from_regex(pattern["pattern"].strip("^$"), fullmatch=True) if pattern else words)
    return st.one_of(options) if options else junk


def of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field or an annotation of the models."""
    kind, rule = bare_type(annotation), rule_of(annotation)
    if models := variants(annotation):
        key = str(annotation.discriminator)
        return st.one_of([of_section(model, {key: st.just(tag)}) for tag, model in models.items()])
    if is_section(kind):
        return of_section(kind)
    if get_origin(kind) is dict:
        names, values = get_args(kind)
        return st.dictionaries(of(names), of(values), max_size=3)
    if get_origin(kind) is tuple:
        return st.lists(of(get_args(kind)[0]), max_size=4)
    if get_origin(kind) is Literal or isinstance(rule, Choice):
        return st.sampled_from(get_args(kind))
    return of_rule(rule) if isinstance(rule, Rule) else junk


def of_section(model: Any, fixed: Mapping[str, st.SearchStrategy[Any]] | None = None) -> st.SearchStrategy[Any]:
    """A mapping with some of a section's keys, and all that the section needs."""
    known = dict(fields(model))
    always = {key: of(field) for key, field in known.items() if field.is_required()} | dict(fixed or {})
    optional = {key: st.deferred(lambda f=field: of(f)) for key, field in known.items() if key not in always}
    return st.fixed_dictionaries(always, optional=optional)


def places(provider: str, model: Any = Page, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key of a page with this provider that is not an item of a list, with its field."""
    for key, field in fields(model):
        yield (*path, key), field
        kind, models = bare_type(field), variants(field)
        below = [models.get(provider, models.get("s3"))] if models else [kind] if is_section(kind) else []
        for one in below:
            yield from places(provider, one, (*path, key))


def lacks(values: Any, path: tuple[str, ...], model: Any = Page) -> bool:
    """Whether the page lacks a section on the way to a key, and that section needs further keys."""
    if len(path) == 1:
        return False
    field = dict(fields(model))[path[0]]
    if variants(field):
        return False
    below = values.get(path[0]) if isinstance(values, dict) else None
    section = bare_type(field)
    needs = any(inner.is_required() for _, inner in fields(section))
    return (below is None and needs) or lacks(below, path[1:], section)


OF_MACHINES = {"authentication-tolerate-lookup-failure", "singleProcessOOMKill", "cgroupsPerQOS"}
"""Flags and fields whose check asks the API, or the cgroups of the machine."""
LEFT = ("nodes", "authorities", "extraArgs", "extraConfig")
"""Keys with a generator of their own, or whose values nobody makes up: certificates."""


def flag_value(kind: str, limit: Limit | None) -> st.SearchStrategy[str]:
    """Texts of which a flag of this type accepts most, within its limit as far as its words say."""
    ints = st.integers(-1, 3000).map(str)
    known: dict[str, st.SearchStrategy[str]] = {
        "bool": st.sampled_from(["true", "false"]),
        "duration": st.sampled_from(["-1s", "0s", "1ms", "1s", "5s", "12s", "1m30s", "1h", "48h"]),
        "float": st.sampled_from(["-1", "0", "0.001", "0.5", "1", "50"]),
        "quantity": st.sampled_from(["-1", "0", "64Ki", "1M"]),
        "ip": st.sampled_from(["0.0.0.0", "192.168.10.11"]),
        "feature-gates": st.dictionaries(
            st.sampled_from([*accepted.gates("kubernetes", VERSIONS["kube-proxy"]), "Nothing"]),
            st.booleans(),
            max_size=3,
        ).map(lambda gates: ",".join(f"{name}={str(on).lower()}" for name, on in gates.items())),
    }
    known |= {"float32": known["float"], "mapStringBool": known["feature-gates"]}
    known["colonSeparatedMultimapStringString"] = known["feature-gates"]
    options = [known.get(kind, ints if "int" in kind else words)]
    if limit is not None and "," in limit.allowed and kind == "string":
        options.append(st.sampled_from([word.strip('" ') for word in limit.allowed.split(",")]))
    return st.one_of(options)


@st.composite
def extra_args(draw: st.DrawFn) -> Values:
    """Flags of some components that hardway does not set, with values of their types."""
    found: Values = {}
    for component in draw(st.lists(st.sampled_from(sorted(MANAGED_FLAGS)), max_size=3, unique=True)):
        known = accepted.flags(component, VERSIONS.get(component, VERSIONS["kube-proxy"]))
        # What is in files of a machine, nobody knows before.
        free = sorted(name for name in set(known) - set(MANAGED_FLAGS[component]) - OF_MACHINES if not is_file(name))
        names = draw(st.lists(st.sampled_from(free), max_size=2, unique=True))
        found[component] = {name: draw(flag_value(known[name], limit_of(component, name))) for name in names}
    return found


def field_value(known: Any) -> st.SearchStrategy[Any]:
    """Values of a field of a configuration file, by its type."""
    if isinstance(known, list):
        return st.lists(field_value(known[0]), max_size=2)
    if isinstance(known, Mapping) and "*" in known:
        keys = st.sampled_from(["cpu", "memory", "pid", "memory.available", "nodefs.available", "x"])
        return st.dictionaries(keys, field_value(known["*"]), max_size=2)
    if isinstance(known, Mapping):
        return st.fixed_dictionaries({}, optional={key: field_value(below) for key, below in known.items()})
    named = st.sampled_from(
        ["none", "static", "text", "json", "pods", "primary", "Static", "pod", "0-1", "1.36", "50%", "NoSwap"]
    )
    return {
        "boolean": st.booleans(),
        "number": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.5, 1]),
        "duration": st.sampled_from(["-1s", "0s", "1ms", "1s", "5s", "10m", "1h"]),
        "quantity": st.sampled_from(["1Gi", "0", 5]),
        "string": words | named,
        "any": junk,
    }.get(known, st.integers(-2, 40000) if "int" in known else words)


@st.composite
def extra_config(draw: st.DrawFn) -> Values:
    """Fields of kubelet and kube-proxy that hardway does not set, with values of their types."""
    found: Values = {}
    for component in draw(st.lists(st.sampled_from(sorted(MANAGED_FIELDS)), max_size=2, unique=True)):
        known = accepted.fields(component, VERSIONS["kube-proxy"])
        free = sorted(set(known) - set(MANAGED_FIELDS[component]) - OF_MACHINES)
        names = draw(st.lists(st.sampled_from(free), max_size=3, unique=True))
        found[component] = {name: draw(field_value(known[name])) for name in names}
        if "featureGates" in names:
            gates = st.sampled_from(sorted(accepted.gates("kubernetes", VERSIONS["kube-proxy"])))
            found[component]["featureGates"] = draw(st.dictionaries(gates, st.booleans(), max_size=3))
    return found


@st.composite
def likely(draw: st.DrawFn) -> Values:
    """A good page with other values of a few keys: about half of these pages are accepted."""
    values = page_values(draw(st.sampled_from(BASES)))
    known = [place for place in places(values.get("machines", {}).get("provider", "local")) if place[0][0] not in LEFT]
    # Whole sections are seldom right; single values mostly are.
    known = [(path, field) for path, field in known if len(path) > 1 and not is_section(bare_type(field))]
    # One key of a section that the page lacks, and that needs other keys, is never right.
    known = [(path, field) for path, field in known if not lacks(values, path)]
    for path, field in draw(st.lists(st.sampled_from(known), max_size=2)):
        put(values, path, draw(of(field)))
    if draw(st.booleans()):
        node = draw(st.sampled_from(values["nodes"]))
        key = draw(st.sampled_from(["labels", "taints"]))
        node[key] = draw(of(dict(fields(Node))[key]))
    if draw(st.booleans()):
        values["extraArgs"] = draw(extra_args())
    if draw(st.booleans()):
        values["extraConfig"] = draw(extra_config())
    return values


@st.composite
def broken(draw: st.DrawFn) -> Values:
    """A page with mistakes anywhere: junk in the place of a value, keys that are missing, renamed or made up."""
    values: Any = draw(likely())
    for _ in range(draw(st.integers(1, 3))):
        here, key = draw(st.sampled_from(list(containers(values))))
        match draw(st.sampled_from(["junk", "remove", "rename", "add"])):
            case "junk":
                here[key] = draw(junk)
            case "remove":
                del here[key]
            case "rename" if isinstance(here, dict):
                here[draw(st.text(max_size=8)) or f"{key}s"] = here.pop(key)
            case _ if isinstance(here, dict):
                here[draw(st.text(max_size=8))] = draw(junk)
            case _:
                here.append(draw(junk))
        if not values:
            break
    return values if isinstance(values, dict) else {}


whole: st.SearchStrategy[Values] = of_section(Page)
"""A page of which nothing is given but the models."""


def containers(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each mapping or list in a value with each of its keys, from the outside to the inside."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from containers(value[key])


def put(values: Values, path: tuple[str, ...], value: Any) -> None:
    """Set a value at a path, if the way there leads through mappings."""
    here: Any = values
    for key in path[:-1]:
        if here.get(key) is None:
            here[key] = {}
        here = here[key]
        if not isinstance(here, dict):
            return
    here[path[-1]] = value
