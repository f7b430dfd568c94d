"""The Dockerfile, built on stand-ins for its base images, and its container, run as a platform would run it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from environments import own_environment
from rendered import program, render
from servers import free_port
from stand_ins import Buildah

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="to build an image and to mount its files takes root")

SECONDS = 60
# A container sees its own files only, cannot change them, and has /tmp and a volume for data.
IN_A_CONTAINER = """
set -e
mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"
mount -t tmpfs tmpfs "$0/tmp" && chmod 1777 "$0/tmp"
mount -t proc proc "$0/proc"
mount --bind "$1" "$0/data"
mount --rbind /dev "$0/dev"
shift
exec "$@"
"""


@dataclass(frozen=True)
class Image:
    """An image as its platform sees it: a directory, and what is said of it."""

    root: Path
    data: Path
    config: Mapping[str, Any]

    def command(self, *words: str) -> list[str]:
        """A command in a container, as the image's user; ``exec`` all the way, so that signals reach it."""
        directory = f"cd /service && exec {shlex.join(words)}"
        user = ["chroot", f"--userspec={self.config['User']}", str(self.root), "/bin/sh", "-c", directory]
        return ["unshare", "--mount", "sh", "-c", IN_A_CONTAINER, str(self.root), str(self.data), *user]

    def environment(self, **told: str) -> dict[str, str]:
        """The variables of a container: the image's own, and what it is told."""
        return dict(variable.split("=", 1) for variable in self.config["Env"]) | told


@pytest.fixture(scope="module")
def image(services: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of a service whose server makes files and processes of its own."""
    directory = tmp_path_factory.mktemp("image")
    answers = {"worker_strategy": "gunicorn", "workers": 2}
    service = render(services.parent / "template", directory / "service", answers)
    lock = [program("uv"), "lock", "--quiet", "--python", sys.executable]
    subprocess.run(lock, cwd=service, env=own_environment(), check=True)
    buildah = Buildah(directory)
    buildah.build(service, "service")
    config = json.loads(buildah.run("inspect", "--type", "image", "service"))["Docker"]["config"]
    root = Path(buildah.run("mount", buildah.run("from", "--pull-never", "service")))
    data = directory / "data"
    data.mkdir()
    # A volume that is mounted for the first time takes over the owner of the directory below it.
    owner = (root / "data").stat()
    os.chown(data, owner.st_uid, owner.st_gid)
    return Image(root, data, config)


@contextmanager
def running(image: Image, **told: str) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """A container of the image; yields its process and its address, and ends it."""
    port = free_port()
    environment = image.environment(**told, HOST="127.0.0.1", PORT=str(port))
    process = subprocess.Popen(image.command(*image.config["Cmd"]), env=environment)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_the_image_holds_what_runs_and_nothing_else(image: Image) -> None:
    assert sorted(path.name for path in (image.root / "service").iterdir()) == [
        ".venv",
        "app",
        "migrations",
        "pyproject.toml",
    ]
    assert not (image.root / "service" / ".venv" / "bin" / "pytest").exists()


def test_a_container_migrates_serves_as_nobody_and_stops_in_peace(image: Image) -> None:
    told = {"SECRET_KEY": "0" * 64, "DATABASE_URL": "sqlite+aiosqlite:////data/service.db"}
    migration = image.command("alembic", "upgrade", "head")
    migrated = subprocess.run(migration, env=image.environment(**told), check=False, timeout=SECONDS)
    assert migrated.returncode == 0
    with running(image, **told) as (process, address):
        answer = _answer(f"{address}/health/ready")
        assert answer["status"] == "ok"
        assert _answer(f"{address}/items")["items"] == []
        # Mounting took root; what serves has none of it.
        assert _identities(process.pid) == {10001}
        probe = image.command(*image.config["Healthcheck"]["Test"][1:])
        told = {"PORT": address.rpartition(":")[2]}
        assert subprocess.run(probe, env=image.environment(**told), check=False, timeout=SECONDS).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_a_container_without_its_secret_says_so_and_ends(image: Image) -> None:
    done = subprocess.run(
        image.command(*image.config["Cmd"]),
        env=image.environment(),
        timeout=SECONDS,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "SECRET_KEY must be a secret of your own" in done.stderr
    assert "Traceback" not in done.stderr


def _answer(url: str) -> Any:  # noqa: ANN401 - whatever the JSON holds
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urlopen(url, timeout=SECONDS) as response:
                return json.load(response)
        except URLError:
            assert time.monotonic() < deadline, url
            time.sleep(0.1)


def _identities(process: int) -> set[int]:
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("Uid:"))
    return set(map(int, line.split()[1:]))
