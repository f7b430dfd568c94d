"""What the units, the environment file, the scripts and nginx's files say, and what the README has put into secrets."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT
from tests.deployment import (
    DeployedService,
    Role,
    bytes_of,
    number,
    numbers,
    read,
    refuse_uncounted,
    seconds_of,
    variables_in,
)

FILES = ROOT / "deploy" / "systemd"
(_target,) = FILES.glob("*.target")
NAME = _target.stem
HOME = f"/opt/{NAME}"
CURRENT, NEXT = f"{HOME}/current", f"{HOME}/next"
SECRETS = f"/etc/{NAME}/secrets.env"

Unit = Mapping[str, list[str]]
"""The values of each directive."""


def deployed() -> DeployedService:
    """The service as systemd runs it on one host, behind nginx."""
    site, upstream, release = (read(f"deploy/systemd/{file}") for file in ("nginx.conf", "upstream.conf", "release.sh"))
    refuse_uncounted(UNITS, counted={f"{NAME}@", f"{NAME}-worker@", f"{NAME}-migrate"})
    kept = numbers(r"\bkeepalive_timeout (\d+)s;", site + upstream)
    return DeployedService(
        web=_role(f"{NAME}@"),
        migration=_role(f"{NAME}-migrate"),
        tasks=_role(f"{NAME}-worker@") if f"{NAME}-worker@" in UNITS else None,
        ports={"nginx": ports_of_nginx()[0]},
        ready_paths={"release.sh": "/" + release.partition("http://127.0.0.1:")[2].partition('"')[0].partition("/")[2]},
        proxy_is_on_its_host=True,
        proxy_timeouts={"nginx": number(r"proxy_read_timeout (\d+)s;", site)},
        proxy_keep_alives={f"nginx {place}": seconds for place, seconds in enumerate(kept)},
    )


def instances(unit: str) -> list[str]:
    """What stands between the @ and the .service where the target wants instances of a unit."""
    wanted = " ".join(directives(_target).get("Wants", [])).split()
    return [name.partition("@")[2].removesuffix(".service") for name in wanted if name.startswith(unit)]


def ports_of_nginx() -> list[int]:
    """The ports of the instances that nginx sends requests to."""
    return numbers(r"^    server 127\.0\.0\.1:(\d+)\b.*;$", read("deploy/systemd/upstream.conf"))


def directives(file: Path) -> Unit:
    """What a unit says, without its sections."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def secret_names() -> frozenset[str]:
    """What the README's commands write to the file of secrets."""
    made = re.findall(rf"{SECRETS} <<END\n(.*?)^END$", read("README.md"), re.MULTILINE | re.DOTALL)
    return frozenset(variables_in("".join(made).splitlines()))


UNITS = {file.stem: directives(file) for file in FILES.glob("*.service")}


def _role(name: str) -> Role:
    unit = UNITS[name]
    besides = unit.keys() & {"ExecStartPre", "ExecStartPost", "KillSignal", "RuntimeMaxSec"}
    assert not besides, f"{', '.join(besides)} changes what runs or how it is stopped, and is not read here"
    wanted = instances(name) if name.endswith("@") else [""]
    (command,), (quota,), (memory,) = unit["ExecStart"], unit.get("CPUQuota", [""]), unit["MemoryMax"]
    return Role(
        # Some are the last of a shell's words.
        command=command.partition("/.venv/bin/")[2].removesuffix("'"),
        environment=_environment(unit, wanted[0]),
        secrets=secret_names() if SECRETS in unit["EnvironmentFile"] else frozenset(),
        grace_period=seconds_of(unit["TimeoutStopSec"][0]),
        replicas=len(wanted),
        # An instance is restarted by stopping it first.
        replicas_at_peak=len(wanted),
        cpu_cores=int(quota.removesuffix("%")) / 100 if quota else None,
        memory=bytes_of(memory),
        user=unit["User"][0],
    )


def _environment(unit: Unit, instance: str) -> dict[str, str]:
    (release,) = unit["WorkingDirectory"]
    files = [file.removeprefix(f"{release}/") for file in unit["EnvironmentFile"] if file.startswith(f"{release}/")]
    told = variables_in(line for file in files for line in read(file).splitlines())
    words = shlex.split(" ".join(unit.get("Environment", [])).replace("%i", instance))
    # A file goes before the unit's own words: systemd.exec(5).
    return variables_in(words) | told
