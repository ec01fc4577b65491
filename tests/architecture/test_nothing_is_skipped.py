"""With CI=true a test that cannot run is a failed test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHIN = "import pytest\n\ndef test_x():\n    pytest.skip('no browser')\n"
MARKED = "import pytest\n\n@pytest.mark.skip(reason='no browser')\ndef test_x():\n    pass\n"
WHOLE_MODULE = "import pytest\n\npytest.skip('no browser', allow_module_level=True)\n"
EXPECTED = "import pytest\n\n@pytest.mark.xfail(strict=True)\ndef test_x():\n    assert False\n"
PLUGINS = ("-p", "tests.conftest", "-p", "no:cacheprovider")
PASSES = "def test_x():\n    pass\n"


def outcome(tmp_path: Path, source: str, *, ci: str) -> int:
    (tmp_path / "test_one.py").write_text(source)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    browser\n")
    done = subprocess.run(
        [*(sys.executable, "-m", "pytest", "-q", str(tmp_path)), *PLUGINS],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("source", [WITHIN, MARKED, WHOLE_MODULE])
def test_a_skip_fails_in_continuous_integration_only(tmp_path, source):
    assert outcome(tmp_path, source, ci="true") != 0
    assert outcome(tmp_path, source, ci="") in (0, 5)  # 5: nothing was left to run


@pytest.mark.slow
@pytest.mark.parametrize("source", [EXPECTED, PASSES])
def test_what_ran_as_it_should_is_no_skip(tmp_path, source):
    assert outcome(tmp_path, source, ci="true") == 0
