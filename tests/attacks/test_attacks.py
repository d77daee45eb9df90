"""The page holds: visitors in crowds, wrong requests, damaged pictures, flipped bits and kills, the quick way of each.

In a folder whose name comes first: it waits much of its minute, and other tests run beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli_tools import ROOT


@pytest.mark.slow
def test_the_quick_attack_counts_no_fault(tmp_path):
    command = [sys.executable, "-m", "searchdemo", "bench", "hold", "--quick"]
    own = {"SEARCHDEMO_HOME": str(tmp_path)}
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | own, text=True, capture_output=True)
    # A busy machine misses times and ratios, which is no error; see `bench hold`.
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert "holds  pages that ended by themselves" in ran.stdout, ran.stdout
