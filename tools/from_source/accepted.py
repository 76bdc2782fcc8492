"""What the programs of Kubernetes and etcd accept: `python -m tools.from_source.accepted`.

It writes `components/config/accepted.json` again: flags with their types (`--help` of the built programs, and sources
for deprecated flags and for etcd), fields of the configuration files of kubelet and kube-proxy (the Go types of
k8s.io/kubelet and k8s.io/kube-proxy), and feature gates (the list that Kubernetes generates). All come from programs in
the shared cache and from modules in Go's cache: `make from-source KUBERNETES="1.36.4 1.37.1"` brings both; for the
fields of an older minor version, `go mod download k8s.io/kubelet@v0.34.4`, and the same for kube-proxy and
component-base.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.config.accepted import FILE
from tools.common.paths import shared_cache

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
_HELP = re.compile(r"(?m)^ +(?:-\w, )?--([a-z0-9-]+)(?: (\S+))?")
_ETCD_HELP = re.compile(r"(?m)^  --([a-z0-9-]+)")
_ETCD = re.compile(r'fs\.(\w+)Var\(&?[\w.]+, "([a-z0-9-]+)"')
_STRUCT = re.compile(r"(?m)^type (\w+) struct \{\n(.*?)^\}", re.S)
_NAMED = re.compile(r"(?m)^type (\w+) (\[?[\w\]\[.]+)$")
_FIELD = re.compile(r'(?m)^\t(?:(\w+) +)?(\S+) +`json:"([^",]*)')
_CLIENT_GATE = re.compile(r"(?m)^\t(\w+): \{\n((?:\t\t\{Version: .*\n)+)")
_CLIENT_SPEC = re.compile(r'MustParse\("([\d.]+)"\), Default: (\w+), PreRelease: (\w+)(.*)')
# Deprecated flags are not in the help, and programs still take them.
_HIDDEN = re.compile(r'\bMark(?:Deprecated|Hidden)\("([a-z0-9-]+)"')
_VAR = re.compile(r'\b\w+\.(\w+?)VarP?\(&?[\w.]+, "([a-z0-9-]+)"')
_HIDDEN_SOURCES = {
    "kubernetes@v{}": ("cmd/kube-*/app/options", "cmd/kubelet/app/options", "pkg/**/options"),
    "apiserver@v0.{}": ("pkg/server/options",),
    "cloud-provider@v0.{}": ("options",),
    "component-base@v0.{}": ("logs/**", "metrics", "config/options"),
}
_NEEDS = re.compile(r"(?m)^\t(?:\w+\.)?(\w+): +\{(\w.*)\},")
_ETCD_GATE = re.compile(r"(?m)^ +(\w+)=true\|false \((\w+) - default=(\w+)\)")
_BASIC = {
    "bool": "boolean",
    "float32": "number",
    "float64": "number",
    "byte": "uint8",
    "metav1.Duration": "duration",
    "v1.ResourceList": {"*": "quantity"},
    "resource.QuantityValue": "quantity",
    "TimeOrMetaDuration": "duration or nanoseconds",
    "VerbosityLevel": "uint32",
    "metav1.TypeMeta": "any",
    "v1.Taint": "any",
    "metav1.Time": "any",
}
# Flags of klog with a value that nobody has to write; and what pflag prints in the place of a type.
_KINDS = {"": "bool", "version[=true]": "version", "Level": "uint31", "pattern=N,...": "vmodule"}
_ETCD_SOURCES = ("embed/config.go", "etcdmain/config.go")
_ETCD_KINDS = {"max-concurrent-streams": "uint32", "feature-gates": "mapStringBool"}
_GO_KINDS = {"Uint64": "uint", "Int64": "int"}


def modules() -> Path:
    """The folder of Go's module cache."""
    return Path(os.environ.get("GOMODCACHE") or Path(os.environ.get("GOPATH") or Path.home() / "go") / "pkg" / "mod")


def minor(version: str) -> str:
    """`1.37` for `1.37.1`."""
    return ".".join(version.split(".")[:2])


def flags_in(text: str) -> dict[str, str]:
    """The flags in what `--help` of a program of Kubernetes prints, with their types. A flag without one is a bool."""
    found = {}
    for name, kind in _HELP.findall(text):
        # Between a flag without a type and its text are several spaces; a text begins with a capital letter.
        found[name] = _KINDS.get(kind, kind)
    # The type of this flag is hidden behind a word in quotes of its text.
    return {name: "bool" if kind == "RuntimeDefault" else kind for name, kind in found.items() if name != "help"}


def flags_of_etcd(text: str, source: str, *, strict: bool = True) -> dict[str, str]:
    """The flags in what `etcd --help` prints, with the types that etcd's source gives them."""
    kinds = {name: _GO_KINDS.get(kind, kind.lower()) for kind, name in _ETCD.findall(source)} | _ETCD_KINDS
    # The help still has a flag that the program no longer knows.
    names = [
        name for name in _ETCD_HELP.findall(text) if not strict or f'"{name}"' in source or name == "feature-gates"
    ]
    return {name: kinds.get(name, "string") for name in names}


def knows(program: Path, flag: str) -> bool:
    """Whether a program knows a flag. A second flag, which no program knows, ends the program at once."""
    words = [str(program), f"--{flag}=", "--no-flag-of-any-program"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return f"unknown flag: --{flag}" not in done.stdout + done.stderr


def hidden_flags(program: Path, version: str) -> dict[str, str]:
    """The flags that `--help` of a program leaves out because they are deprecated, with their types."""
    listed = flags_in(_help(program))
    found: dict[str, str] = {}
    for module, folders in _HIDDEN_SOURCES.items():
        base = modules() / "k8s.io" / module.format(version if "kubernetes" in module else version.removeprefix("1."))
        for path in sorted(path for folder in folders for path in base.glob(f"{folder}/*.go")):
            source = path.read_text()
            kinds = {flag: _GO_KINDS.get(kind, kind.lower()) for kind, flag in _VAR.findall(source)}
            found |= {flag: kinds[flag] for flag in _HIDDEN.findall(source) if flag in kinds and flag not in listed}
    return {flag: kind for flag, kind in found.items() if knows(program, flag)}


def fields_in(texts: Mapping[str, str], of: str) -> Any:
    """The fields of the Go type `of`, as a tree: a type, [type] for a list, {"*": type} for a map, names of fields.

    `texts` has the Go sources with all types that are needed, by package.
    """
    structs: dict[str, str] = {}
    named: dict[str, str] = {}
    for text in texts.values():
        structs |= dict(_STRUCT.findall(text))
        named |= dict(_NAMED.findall(text))

    def tree(kind: str) -> Any:
        kind = kind.removeprefix("*")
        if kind in _BASIC:
            return _BASIC[kind]
        if kind.startswith("[]"):
            return [tree(kind[2:])]
        if kind.startswith("map["):
            return {"*": tree(kind.partition("]")[2])}
        name = kind.rpartition(".")[2]
        if name in _BASIC:
            return _BASIC[name]
        if name in structs:
            found: dict[str, Any] = {}
            for own, below, key in _FIELD.findall(structs[name]):
                if key == "-":
                    continue
                if not key:
                    inner = tree(below)
                    found |= inner if isinstance(inner, dict) else {"apiVersion": "string", "kind": "string"}
                else:
                    found[key] = tree(below)
                assert own or not key
            return found
        return tree(named[name]) if name in named else kind

    return tree(of)


def gates_in(listed: str, client: str, needs: str, version: str) -> dict[str, Any]:
    """Feature gates of Kubernetes: stage, whether a gate is on, whether it is locked, and the gates that it needs.

    `listed` is versioned_feature_list.yaml, `client` known_features.go of client-go, `needs` kube_features.go.
    """
    specs = {gate["name"]: [_spec(spec) for spec in gate["versionedSpecs"]] for gate in yaml.safe_load(listed)}
    for name, rows in _CLIENT_GATE.findall(client):
        own = [
            (at, on == "true", stage, "LockToDefault: true" in more)
            for at, on, stage, more in _CLIENT_SPEC.findall(rows)
        ]
        specs.setdefault(name, own)
    table = needs.partition("FeatureGateDependencies = ")[2]
    wanted = {
        name: re.findall(r"\b[A-Z]\w+(?=[,)}]|$)", text.partition("//")[0]) for name, text in _NEEDS.findall(table)
    }
    number = _numbers(version)
    found: dict[str, Any] = {name: {"stage": "", "on": False, "locked": False} for name in ("AllAlpha", "AllBeta")}
    for name, rows in specs.items():
        known = [row for row in rows if _numbers(row[0]) <= number]
        if known:
            _, on, stage, locked = known[-1]
            found[name] = {"stage": stage, "on": on, "locked": locked}
            if wanted.get(name):
                found[name]["needs"] = wanted[name]
    return found


def gates_of_etcd(text: str) -> dict[str, Any]:
    """Feature gates in what `etcd --help` prints."""
    return {
        name: {"stage": "" if name.startswith("All") else stage.capitalize(), "on": on == "true", "locked": False}
        for name, stage, on in _ETCD_GATE.findall(text)
    }


def _spec(spec: Mapping[str, Any]) -> tuple[str, bool, str, bool]:
    return spec["version"], spec["default"], spec["preRelease"], spec["lockToDefault"]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def programs(name: str) -> dict[str, Path]:
    """Each built version of a program."""
    paths = sorted((shared_cache() / "store").glob(f"{name}-[0-9]*/{name}"))
    return {path.parent.name.removeprefix(f"{name}-").split("-")[0]: path for path in paths}


def built(name: str) -> dict[str, str]:
    """What `--help` of each built version of a program prints."""
    return {version: _help(path) for version, path in programs(name).items()}


def _help(program: Path) -> str:
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def _flags() -> dict[str, dict[str, dict[str, str]]]:
    found = {
        name: {minor(one): flags_in(_help(path)) | hidden_flags(path, one) for one, path in programs(name).items()}
        for name in PROGRAMS
    }
    etcd = modules() / "go.etcd.io/etcd/server"
    return found | {
        "etcd": {
            minor(version): flags_of_etcd(
                text, "".join((etcd / f"v3@v{version}" / path).read_text() for path in _ETCD_SOURCES)
            )
            for version, text in built("etcd").items()
        }
    }


def _fields() -> dict[str, dict[str, Any]]:
    places = {
        "kubelet": ("kubelet", "config/v1beta1", "KubeletConfiguration"),
        "kube-proxy": ("kube-proxy", "config/v1alpha1", "KubeProxyConfiguration"),
    }
    found: dict[str, dict[str, Any]] = {}
    for component, (module, folder, kind) in places.items():
        for path in sorted((modules() / "k8s.io").glob(f"{module}@v0.*/{folder}/types.go")):
            version = path.parents[2].name.partition("@v0.")[2]
            base = modules() / "k8s.io" / f"component-base@v0.{version}"
            more = ("logs/api/v1/types.go", "tracing/api/v1/types.go", "config/v1alpha1/types.go")
            if not base.is_dir():
                continue
            texts = {name: (base / name).read_text() for name in more} | {"": path.read_text()}
            found.setdefault(component, {})[f"1.{version.split('.')[0]}"] = fields_in(texts, kind)
    return found


def _gates() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    listed = "test/compatibility_lifecycle/reference/versioned_feature_list.yaml"
    for path in sorted((modules() / "k8s.io").glob(f"kubernetes@v1.*/{listed}")):
        version = path.parents[3].name.partition("@v")[2]
        client = modules() / "k8s.io" / f"client-go@v0.{version.removeprefix('1.')}" / "features/known_features.go"
        needs = path.parents[3] / "pkg/features/kube_features.go"
        found[minor(version)] = gates_in(path.read_text(), client.read_text(), needs.read_text(), minor(version))
    etcd = {minor(version): gates_of_etcd(text) for version, text in built("etcd").items()}
    return {"kubernetes": found, "etcd": etcd}


def _by_name(by_minor: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Name -> what it is in which minor versions: a table per version would say most things several times."""
    found: dict[str, list[list[Any]]] = {}
    for version, names in by_minor.items():
        for name, what in names.items():
            rows = found.setdefault(name, [])
            row = next((row for row in rows if row[0] == what), None)
            if row is None:
                rows.append([what, version])
            else:
                row[1] += f" {version}"
    every = " ".join(by_minor)
    return {
        name: [[what, *([versions] if versions != every else [])] for what, versions in rows]
        for name, rows in sorted(found.items())
    }


def record() -> dict[str, Any]:
    """All tables, from what is in the caches of this machine."""
    flags = _flags()
    return {
        "flags": {name: {"versions": [*table], "names": _by_name(table)} for name, table in flags.items()},
        "fields": {name: {"versions": [*table], "names": _by_name(table)} for name, table in _fields().items()},
        "gates": {name: {"versions": [*table], "names": _by_name(table)} for name, table in _gates().items()},
    }


def text(tables: Mapping[str, Any]) -> str:
    """The tables as JSON with a line for each name, for diffs."""

    def table(one: Mapping[str, Any]) -> str:
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(what)}" for name, what in one["names"].items())
        return f'{{"versions": {json.dumps(one["versions"])}, "names": {{\n{rows}\n}}}}'

    parts = []
    for kind in ("flags", "fields", "gates"):
        inner = ",\n".join(f" {json.dumps(name)}: {table(one)}" for name, one in tables[kind].items())
        parts.append(f'"{kind}": {{\n{inner}\n}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text(record()))
