"""Three machines as local machines are made, of commands that do nothing.

MACHINES maps machines to values of their triggers: another value replaces the machine. A change of IMAGE is in place.
"""

import json
import os

import pulumi
import pulumi_command as command

made_from = json.loads(os.environ.get("MACHINES", "{}"))
for number in (1, 2, 3):
    name = f"cp-{number}"
    command.local.Command(
        f"{name}-machine",
        create="true",
        update="true",
        triggers=[made_from.get(name, "1")],
        environment={"IMAGE": os.environ.get("IMAGE", "one")},
        stdin=pulumi.Output.secret("hush"),
        logging=command.local.Logging.NONE,
        add_previous_output_in_env=False,
    )
roles = ["etcd", "control-plane"]
pulumi.export("nodes", {f"cp-{number}": {"address": f"10.100.7.{number}", "roles": roles} for number in (1, 2, 3)})
