"""An SSH command that connects directly and one through a jump host. `up` makes the state without a connection."""

import pulumi
import pulumi_command as command
import pulumi_tls as tls

ssh = tls.PrivateKey("ssh", algorithm="ED25519")
if pulumi.runtime.is_dry_run():
    direct = {
        "host": "192.0.2.1",
        "user": "root",
        "private_key": ssh.private_key_openssh,
        "host_key": ssh.public_key_openssh,
    }
    command.remote.Command("stage", connection=direct, create="true", logging=command.remote.Logging.NONE)
    command.remote.Command("jump", connection={**direct, "proxy": {**direct, "host": "192.0.2.2"}}, create="true")
