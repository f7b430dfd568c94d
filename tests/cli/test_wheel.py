"""The wheel: it carries the template, and renders what the checkout renders."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from matrix import ROOT
from rendered import copy_template, files_of, newest_release, program, render


def test_an_installed_wheel_renders_the_same_service(tmp_path: Path) -> None:
    build = [program("uv"), "build", "--wheel", "--quiet", "--exclude-newer", newest_release()]
    done = subprocess.run(
        [*build, "--out-dir", str(tmp_path / "dist"), str(ROOT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [wheel] = (tmp_path / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")

    made = tmp_path / "made"
    command = [
        sys.executable,
        "-c",
        "from paceline.cli import main; main()",
        "new",
        str(made),
        "--defaults",
        "--no-git",
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    expected = render(copy_template(tmp_path / "template"), tmp_path / "expected", {})
    assert files_of(made) == files_of(expected)
    for file in files_of(made):
        if file.name != ".copier-answers.yml":
            assert (made / file).read_bytes() == (expected / file).read_bytes()
