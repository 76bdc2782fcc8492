"""The first part of the program: only the machines, because instances of the simulated AWS cannot run a cluster."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT))
os.chdir(ROOT)

import pulumi  # noqa: E402

from components import config  # noqa: E402
from components.site import Site  # noqa: E402

site = Site(config.from_pulumi(), pulumi.get_stack())
machines = site.make_machines()

pulumi.export("nodes", site.topology.summary())
for name, value in machines.outputs.items():
    pulumi.export(name, value)
