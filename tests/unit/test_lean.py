"""What is left out of a process counts as not installed, even where it is."""

from __future__ import annotations

import subprocess
import sys

CALL = "from pipeline.lean import leave_out; import sys; "


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_library_that_is_left_out_counts_as_not_installed() -> None:
    assert "No module named 'wave'" in python(CALL + "leave_out('wave'); import wave")
    assert python(CALL + "leave_out('wave'); import colorsys") == ""


def test_a_list_becomes_an_array_without_pandas() -> None:
    told = "import pyarrow; pyarrow.array([1, 2]); print('pandas' in sys.modules)"
    assert python(CALL + told) == "True\n", "then nothing has to be left out any more"
    assert python(CALL + "leave_out('pandas'); " + told) == "False\n"


def test_no_command_loads_pandas() -> None:
    program = (
        "import sys; sys.argv[1:] = ['schema', 'ddl', 'duckdb']; "
        "from pipeline.cli.__main__ import program; code = program(); "
        "import pyarrow; pyarrow.array([1]); print(code, 'pandas' in sys.modules)"
    )
    assert python(program).endswith("0 False\n")
