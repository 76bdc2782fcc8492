"""The program of the project, with one change: machines in AWS are containers here.

A container cannot set kernel limits of this host, and a page for AWS cannot say that machines are containers.
"""

import os
import runpy
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT))
os.chdir(ROOT)

from components.machines.aws import machines  # noqa: E402
from components.node.traits import Traits  # noqa: E402

machines.Traits = partial(Traits, container=True)  # type: ignore[misc, assignment]
runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
