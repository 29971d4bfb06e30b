"""Interrupted at any line, an estimator is what it was, or whole with an epoch."""

import subprocess
import sys
from pathlib import Path


def test_interrupted_at_any_line(tmp_path):
    script = Path(__file__).with_name("interrupts.py")
    subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        check=True,
        timeout=600,
        capture_output=True,
    )
