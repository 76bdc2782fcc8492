"""The versions of the catalogue are the same as everywhere else."""

import json
import re

import pytest

from components.artifacts.lock import UPSTREAM_LOCK
from components.config.cluster import Versions
from tools.common.paths import this_clone
from tools.from_source import catalogue
from tools.from_source.catalogue import Program
from tools.from_source.gobuild import GO_MODULES
from tools.from_upstream.lock import IMAGES, RELEASES

# The pulumi-kubernetes module is pinned by commit; agnhost and the plugins written here carry versions of their own.
OWN_VERSION = {
    "pulumi-resource-kubernetes",
    "pulumi-resource-command",
    "pulumi-resource-tls",
    "pulumi-resource-aws",
    "agnhost",
    "nnp",
}


def pins(folder: str) -> dict[str, str]:
    """Modules and versions of a go.mod, the replaced ones as replaced."""
    text = (GO_MODULES / folder / "go.mod").read_text()
    return dict(re.findall(r"^\s*(?:require )?(\S+) v(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("program", catalogue.everything(), ids=lambda program: f"{program.name}-{program.version}")
def test_version_is_that_of_the_module(program: Program) -> None:
    versions = pins(program.folder)
    assert (GO_MODULES / program.folder / "go.sum").is_file()
    if program.name in OWN_VERSION:
        return
    package = "github.com/pulumi/pulumi/sdk/v3" if program.package == "." else program.package
    module = max((module for module in versions if f"{package}/".startswith(f"{module}/")), key=len)
    assert program.version == versions[module]


def test_every_folder_is_built() -> None:
    folders = {path.parent.name for path in GO_MODULES.glob("*/go.mod")}
    assert folders == {program.folder for program in catalogue.everything()}


def test_no_two_programs_share_a_place_in_the_store() -> None:
    names = [(program.name, program.version) for program in catalogue.everything()]
    assert len(names) == len(set(names))


def test_engine_and_plugins_fit_the_python_packages() -> None:
    text = (this_clone().root / "requirements.in").read_text()
    packages = dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))
    assert packages["pulumi"] == catalogue.PULUMI
    for plugin in (*catalogue.PLUGINS, catalogue.AWS_PLUGIN):
        assert packages[plugin.name.replace("-resource", "")] == plugin.version


def test_defaults_of_the_page_are_built_and_locked() -> None:
    wanted = Versions()
    artifacts = {
        **dict.fromkeys(catalogue.KUBERNETES_PROGRAMS, wanted.kubernetes),
        "etcd": wanted.etcd,
        "containerd": wanted.containerd,
        "runc": wanted.runc,
        "crictl": wanted.crictl,
        "cni-plugins": wanted.cni_plugins,
        "cni-flannel": wanted.cni_flannel,
    }
    images = {"pause": wanted.pause, "flannel": wanted.flannel, "coredns": wanted.coredns}
    built = {(program.artifact, program.version) for program in catalogue.everything()}
    made = {(image.name, image.version) for image in catalogue.IMAGES}
    lock = json.loads(UPSTREAM_LOCK.read_text())
    for item in artifacts.items():
        assert item in built and item[1] in lock["artifacts"][item[0]]
    for item in images.items():
        assert item in made and item[1] in lock["images"][item[0]]


def test_built_and_upstream_name_the_same_files_and_images() -> None:
    lock = json.loads(UPSTREAM_LOCK.read_text())
    for artifact, versions in lock["artifacts"].items():
        for version, architectures in versions.items():
            upstream = {name for source in architectures["amd64"] for name in source["files"]}
            ours = {p.name for p in catalogue.everything() if (p.artifact, p.version) == (artifact, version)}
            assert ours in (upstream, set())  # nothing: the version is not built here
    for image in catalogue.IMAGES:
        assert lock["images"][image.name][image.version]["reference"] == image.reference
    assert {*lock["artifacts"]} == {*RELEASES} and {*lock["images"]} == {*IMAGES}
