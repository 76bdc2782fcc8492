"""The environment that Pulumi needs to run this clone's program; what the user has set stays."""

import os
import secrets
import shlex
from collections.abc import Mapping

from tools.paths import Clone
from tools.pulumi_home import is_ours
from tools.store import write_atomically

# Says which clone the values come from: a shell that goes on to another clone gets that one's values.
ORIGIN = "HARDWAY_CLONE"


def variables(clone: Clone, stack: str, user: Mapping[str, str]) -> dict[str, str]:
    """What has to be set on top of the user's environment."""
    user = _without_other_clones(user)
    wanted = {ORIGIN: str(clone.root), "PATH": _path(clone, user.get("PATH", os.defpath))}
    if is_ours(clone):
        wanted["PULUMI_HOME"] = str(clone.pulumi_home)
        wanted["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    if not user.get("PULUMI_BACKEND_URL"):
        wanted["PULUMI_BACKEND_URL"] = f"file://{clone.state}"
    if not user.keys() & {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        wanted["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(clone.state / "passphrase")
    return wanted | {
        "PULUMI_STACK": stack,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The salt of the passphrase stands in the state, never in the committed page.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        # A value that is not known yet, put into a string by mistake, is an error and not a silent `<Output>`.
        "PULUMI_ERROR_OUTPUT_STRING": "1",
        "KUBECONFIG": str(clone.kubeconfig(stack)),
    }


def environment(clone: Clone, stack: str, user: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a command that runs for a stack."""
    return {**_without_other_clones(user), **variables(clone, stack, user)}


def export_lines(clone: Clone, stack: str, user: Mapping[str, str]) -> str:
    """The variables as lines for a POSIX shell to evaluate."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables(clone, stack, user).items())


def prepare_state(clone: Clone) -> None:
    """Makes the state folder and, once, the random passphrase; nobody but this user may read them."""
    clone.state.mkdir(mode=0o700, exist_ok=True)
    clone.state.chmod(0o700)
    passphrase = clone.state / "passphrase"
    if not passphrase.exists():
        write_atomically(passphrase, secrets.token_urlsafe(32) + "\n", 0o600)


def _path(clone: Clone, path: str) -> str:
    ours = [str(clone.bin), str(clone.venv / "bin")]
    return os.pathsep.join([*ours, *(folder for folder in path.split(os.pathsep) if folder not in ours)])


def _without_other_clones(user: Mapping[str, str]) -> dict[str, str]:
    """Drops what an earlier `make env`, of this clone or another, has set."""
    origin = user.get(ORIGIN)
    if origin is None:
        return dict(user)
    mine = {"PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"}
    kept = {name: value for name, value in user.items() if not (name in mine and f"{origin}/." in value)}
    kept.pop("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", None)
    kept["PATH"] = os.pathsep.join(f for f in kept.get("PATH", "").split(os.pathsep) if not f.startswith(f"{origin}/."))
    return kept
