"""Serves the policy pack to the engine. `PolicyPack` blocks until the engine is done."""

import os
import sys
from pathlib import Path

# The engine runs this folder as a program, but the rules import each other as the package `policies`.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import EnforcementLevel, PolicyPack

from policies.pack import chosen

if __name__ == "__main__":
    PolicyPack("hardway", chosen(os.environ), enforcement_level=EnforcementLevel.MANDATORY)
