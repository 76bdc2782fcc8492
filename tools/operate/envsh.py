"""The environment variables with which Pulumi runs the program of this clone. Variables that the user has set stay."""

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from tools.common.paths import Clone
from tools.common.store import write_atomically

# The clone whose values the shell has. If the shell is used in another clone, then these values are replaced.
ORIGIN = "HARDWAY_CLONE"
PARALLEL = "64"
"""How many operations Pulumi runs at the same time. Its default is four times the processors of the operator's machine:
eight hosts that do not answer would keep all other hosts waiting on a machine with two processors. Operations on hosts
wait for the hosts, and take no processor meanwhile."""


def variables(clone: Clone, stack: str, user: Mapping[str, str]) -> dict[str, str]:
    """The variables that are added to the user's environment."""
    user = _without_other_clones(user)
    wanted = {ORIGIN: str(clone.root), "PATH": _path(clone, user.get("PATH", os.defpath))}
    if clone.has_own_engine:
        wanted["PULUMI_HOME"] = str(clone.pulumi_home)
        wanted["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    if not user.get("PULUMI_BACKEND_URL"):
        wanted["PULUMI_BACKEND_URL"] = own_backend(clone)
    if not user.keys() & {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        wanted["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(clone.state / "passphrase")
    if not user.get("PULUMI_PARALLEL"):
        wanted["PULUMI_PARALLEL"] = PARALLEL
    return wanted | {
        "PULUMI_STACK": stack,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The salt of the passphrase is in the state, never on the committed page.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        # If an Output is put into a string by mistake, then the SDK raises an error instead of writing `<Output>`.
        "PULUMI_ERROR_OUTPUT_STRING": "1",
        "KUBECONFIG": str(clone.kubeconfig(stack)),
        # kubectl's cache of the API's resources. In the home folder of the user, the cache would outlive the stack.
        "KUBECACHEDIR": str(kube_cache(clone, stack)),
    }


def kube_cache(clone: Clone, stack: str) -> Path:
    """The folder with kubectl's cache. It goes with the stack."""
    return clone.state / stack / "kube-cache"


def own_backend(clone: Clone) -> str:
    """The URL of the backend in the folder of a clone.

    Without metadata. The library of the file backend overwrites files of metadata in place (gocloud.dev/blob/fileblob,
    setAttrs): a kill can cut them off, and then Pulumi ends with `EOF`. Nothing needs them.
    """
    return f"file://{clone.state}?metadata=skip"


def environment(clone: Clone, stack: str, user: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of a command for a stack."""
    return {**_without_other_clones(user), **variables(clone, stack, user)}


def export_lines(clone: Clone, stack: str, user: Mapping[str, str]) -> str:
    """The variables as `export` lines for a POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables(clone, stack, user).items())


def prepare_state(clone: Clone) -> None:
    """Makes the state folder and, once, the random passphrase. Only this user may read them."""
    clone.state.mkdir(mode=0o700, exist_ok=True)
    clone.state.chmod(0o700)
    passphrase = clone.state / "passphrase"
    if not passphrase.exists():
        write_atomically(passphrase, secrets.token_urlsafe(32) + "\n", 0o600)


def _path(clone: Clone, path: str) -> str:
    ours = [str(clone.bin), str(clone.venv / "bin")]
    return os.pathsep.join([*ours, *(folder for folder in path.split(os.pathsep) if folder not in ours)])


def _without_other_clones(user: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables that an earlier `make env` of this or another clone has set."""
    origin = user.get(ORIGIN)
    if origin is None:
        return dict(user)
    mine = {"PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"}
    kept = {name: value for name, value in user.items() if not (name in mine and f"{origin}/." in value)}
    kept.pop("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", None)
    kept["PATH"] = os.pathsep.join(f for f in kept.get("PATH", "").split(os.pathsep) if not f.startswith(f"{origin}/."))
    return kept
