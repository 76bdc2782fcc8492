"""The program of the project, told one thing that it does not know of machines in AWS: these ones are containers.

A container has no say in the limits of this host's kernel, and a page for AWS cannot say that machines are containers.
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
