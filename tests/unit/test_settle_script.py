"""settle.sh: after an activation, the API holds nothing of another generation. A stand-in answers for kubectl."""

import subprocess
from pathlib import Path

import pytest
from scratch_machine import ScratchMachine

LIMIT = "hardway:rollout.healthTimeout gives them more time"
BUNDLE = "-----BEGIN CERTIFICATE-----\none\n-----END CERTIFICATE-----\n"
QUOTED = BUNDLE.replace("\n", "\\n")
KUBECTL = """\
at={folder}
case "$*" in
*"get namespaces"*) cat $at/namespaces ;;
*"get configmaps"*) cat $at/bundles ;;
*"patch configmap"*) cp "$(echo "$*" | sed 's/.*--patch-file //')" $at/patched ;;
*"get secrets"*) echo '{{"items": []}}' ;;
*replace*) cat $at/replaced; cat $at/problems >&2; exit "$(cat $at/code)" ;;
esac
"""


class Api:
    """A control-plane node, and the answers of its API."""

    def __init__(self, folder: Path) -> None:
        self.machine, self.folder = ScratchMachine(folder), folder
        for path in ("ssl/kube-apiserver", "bin"):
            (self.machine.root / path).mkdir(parents=True)
        (self.machine.root / "ssl/kubernetes-ca.pem").write_text(BUNDLE)
        (self.machine.root / "ssl/kube-apiserver/front-proxy-ca.pem").write_text("front\n")
        self.machine.program("kubectl", KUBECTL.format(folder=folder), at=self.machine.root / "bin")
        self.machine.program("sleep")
        (folder / "namespaces").write_text("default\nkube-system\n")
        self.publishes({"default": QUOTED, "kube-system": QUOTED, "ending": "old"})
        self.replaces("secret/a replaced\nsecret/b replaced\n")

    def publishes(self, bundles: dict[str, str]) -> None:
        """The bundle of each namespace, as kubectl prints it."""
        (self.folder / "bundles").write_text("".join(f'{name} "{text}"\n' for name, text in bundles.items()))

    def replaces(self, printed: str, problems: str = "", code: int = 0) -> None:
        """What `kubectl replace` prints, and its exit code."""
        for name, text in {"replaced": printed, "problems": problems, "code": str(code)}.items():
            (self.folder / name).write_text(text)

    def settle(self) -> subprocess.CompletedProcess[str]:
        return self.machine.run("settle", "encryption", "2,1", text="kubeconfig\n", HARDWAY_SETTLE_LIMIT="0")

    def left(self) -> list[str]:
        """What the script leaves in the memory of the machine."""
        return [path.name for path in (self.machine.sysroot / "run/hardway").iterdir() if path.name != "settle.lock"]


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def test_everything_is_of_the_generations_in_use(api: Api) -> None:
    done = api.settle()
    assert done.returncode == 0, done.stderr
    assert "2 Secrets are written" in done.stdout
    patched = (api.folder / "patched").read_text()
    assert patched == f'{{"data": {{"client-ca-file": "{QUOTED}", "requestheader-client-ca-file": "front\\n"}}}}'
    assert api.left() == []
    assert not any("kubeconfig\n" in call for call in api.machine.calls)


@pytest.mark.parametrize("bundles", [{"default": QUOTED}, {"default": QUOTED, "kube-system": QUOTED * 2}])
def test_a_namespace_without_the_bundle_is_named(api: Api, bundles: dict[str, str]) -> None:
    api.publishes(bundles)
    done = api.settle()
    assert done.returncode == 1
    assert "not every namespace has the present trust bundle: kube-system" in done.stderr
    assert LIMIT in done.stderr
    assert api.left() == []


def test_namespaces_have_the_roots_of_given_authorities(api: Api) -> None:
    """Programs in pods verify servers with them. Aggregated APIs verify clients, with the authorities alone."""
    (api.machine.root / "ssl/kubernetes-ca-path.pem").write_text(f"{BUNDLE}root\n")
    assert api.settle().returncode == 1
    api.publishes({"default": f"{QUOTED}root\\n", "kube-system": f"{QUOTED}root\\n"})
    done = api.settle()
    assert done.returncode == 0, done.stderr
    assert "root" not in (api.folder / "patched").read_text()


def test_a_warning_is_no_failure(api: Api) -> None:
    api.replaces("secret/a replaced\n", "Warning: tls: failed to find any PEM data in certificate input\n")
    done = api.settle()
    assert done.returncode == 0, done.stderr
    assert "1 Secrets are written" in done.stdout


def test_a_secret_that_changes_meanwhile_is_no_failure(api: Api) -> None:
    said = "Error from server (Conflict): Operation cannot be fulfilled: the object has been modified\n"
    api.replaces("secret/a replaced\n", said, code=1)
    assert api.settle().returncode == 0


@pytest.mark.parametrize("said", ["", "Warning: something\n", "Error from server (Forbidden): secrets is forbidden\n"])
def test_a_failure_of_kubectl_is_one(api: Api, said: str) -> None:
    api.replaces("", said, code=1)
    done = api.settle()
    assert done.returncode == 1
    assert f"Secrets cannot be written: {said.strip()}" in done.stderr
    assert LIMIT in done.stderr
    assert api.left() == []


def test_what_a_killed_run_left_is_removed(api: Api) -> None:
    left = api.machine.sysroot / "run/hardway/settle-killed"
    left.mkdir(parents=True)
    (left / "secrets").write_text("secret")
    assert api.settle().returncode == 0
    assert api.left() == []
