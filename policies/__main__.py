"""Serves the pack to the engine. PolicyPack blocks until the engine is done, so the rules live in other modules."""

import os
import sys
from pathlib import Path

# The engine starts this folder as a program; the rules are modules of the package that the folder is.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import EnforcementLevel, PolicyPack

from policies.pack import chosen

if __name__ == "__main__":
    PolicyPack("hardway", chosen(os.environ), enforcement_level=EnforcementLevel.MANDATORY)
