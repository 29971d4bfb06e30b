"""Print the lowest version of each dependency that is declared, as pip's constraints.

Usage: python .ci/lowest.py [PACKAGE ...], where the packages named are left out.
"""

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

for requirement in tomllib.loads(PROJECT.read_text())["project"]["dependencies"]:
    name, lowest = requirement.split(">=")
    if name not in sys.argv[1:]:
        print(f"{name}=={lowest}")
