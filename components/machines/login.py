"""The SSH keys with which the program logs in at the machines that it makes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_tls as tls

from components.config.generations import SINGLE, Generations
from components.machines.connection import connection
from components.machines.ssh import Access
from components.resource_names import NodeResource, of_generation

_MARK = "hardway-login-"


@dataclass(frozen=True)
class LoginKeys:
    """The login keys of a stack: the private key in use, and the line in `authorized_keys` of each trusted key."""

    private_key: pulumi.Output[str]
    public_keys: pulumi.Output[list[str]]
    generations: Generations

    @property
    def authorized_keys(self) -> pulumi.Output[str]:
        """The file `authorized_keys` of a machine that boots for the first time, sshd(8)."""
        return self.public_keys.apply(lambda lines: "".join(f"{line}\n" for line in lines))


def make_login_keys(name: str, generations: Generations, opts: pulumi.ResourceOptions) -> LoginKeys:
    """Make the key of every trusted generation. `name` names the first one."""
    keys = {
        number: tls.PrivateKey(of_generation(name, number), algorithm="ED25519", opts=opts)
        for number in generations.trusted
    }
    marked = generations != SINGLE
    lines = pulumi.Output.all(*(key.public_key_openssh for key in keys.values())).apply(
        lambda known: [
            f"{text.strip()} {_MARK}{number}" if marked else text.strip()
            for number, text in zip(keys, known, strict=True)
        ]
    )
    return LoginKeys(keys[generations.active].private_key_openssh, lines, generations)


def authorize(
    keys: LoginKeys, name: str, access: Access, machine: pulumi.Resource, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Bring the login keys of a machine that exists to the trusted generations. `name` is a node, or the bastion.

    Nothing for a cluster whose key has never been replaced: its machines have had the key since their first boot.
    """
    if keys.generations == SINGLE:
        return []
    tied = pulumi.ResourceOptions(depends_on=[machine], deleted_with=machine, replace_with=[machine])
    return [
        command.remote.Command(
            NodeResource.AUTHORIZED_KEYS.name_for(name),
            connection=connection(access),
            create=keys.public_keys.apply(script),
            logging=command.remote.Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions.merge(opts, tied),
        )
    ]


def script(lines: Sequence[str]) -> str:
    """A POSIX script that makes `lines` the login keys of the program in the user's `authorized_keys`.

    Other keys in the file stay. The file changes in one step.
    """
    present = " ".join(f"-e {shlex.quote(line.split()[1])}" for line in lines)
    ours = " ".join(shlex.quote(line) for line in lines)
    return (
        "set -eu; umask 077; file=$HOME/.ssh/authorized_keys; "
        f"{{ grep -v -F {present} $file || true; }} | {{ grep -v ' {_MARK}[0-9]*$' || true; }} >$file.next; "
        f"printf '%s\\n' {ours} >>$file.next; mv $file.next $file"
    )
