"""Stand-ins for the images that a Dockerfile begins with, made of this host's own Debian, Python and uv.

They hold its steps, paths and users to what they do; they say nothing of the real images. Nothing is fetched.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from environments import interpreter_of, own_environment
from rendered import program

# What a Dockerfile's RUN takes for granted, and what Python's own modules link to.
_PACKAGES = (
    *("base-files", "bash", "ca-certificates", "coreutils", "dash", "libc-bin", "login", "passwd"),
    *("libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libsqlite3-0", "libssl3", "libuuid1", "zlib1g"),
    # With apt, which the real image has too.
    "libstdc++6",
)
# As the real image's, and whom this host trusts.
_PYTHON_SETTINGS = (
    *("--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"),
    *("--env", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"),
)
# Debian's own are links into /usr.
_MERGED = ("bin", "lib", "lib64", "sbin")
_IDENTITIES = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "group": "root:x:0:\n",
    "shadow": "root:*:19000:0:99999:7:::\n",
    "gshadow": "root:*::\n",
}


class Buildah:
    """buildah with a storage of its own, without a daemon and without fetching images.

    https://github.com/containers/buildah/blob/main/docs/buildah.1.md
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._options = ["--root", str(directory / "root"), "--runroot", str(directory / "run"), "--storage-driver=vfs"]

    def run(self, command: str, *arguments: str | Path) -> str:
        """What a command of buildah's writes. Raises :class:`AssertionError` with its errors when it fails."""
        done = subprocess.run(
            ["buildah", *self._options, command, *map(str, arguments)],
            env=own_environment() | {"TMPDIR": str(self._directory), "BUILDAH_ISOLATION": "chroot"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        return done.stdout.strip()

    def add_image(self, name: str, directory: Path, *settings: str) -> None:
        """An image of this name with a directory's files."""
        container = self.run("from", "scratch")
        self.run("copy", "--quiet", container, directory, "/")
        self.run("config", *settings, container)
        self.run("commit", "--quiet", "--rm", container, name)

    def build(self, service: Path, name: str) -> None:
        """Build a service's Dockerfile on stand-ins for the images that it begins with."""
        dockerfile = (service / "Dockerfile").read_text()
        for image in set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)):
            directory = self._directory / image.replace("/", "-").replace(":", "-")
            if "uv" in image:
                directory.mkdir()
                shutil.copy2(program("uv"), directory / "uv")
                self.add_image(image, directory)
            else:
                _make_python(directory, version=re.findall(r"python:([\d.]+)", image)[0])
                self.add_image(f"localhost/{image}", directory, *_PYTHON_SETTINGS)
            shutil.rmtree(directory)
        # Newer than Debian 12's buildah (https://docs.docker.com/reference/dockerfile/#healthcheck).
        known = self._directory / "Dockerfile"
        known.write_text(dockerfile.replace(" --start-interval=1s", ""))
        self.run("bud", "--quiet", "--pull-never", "--format=docker", "--file", known, "--tag", name, service)


def _make_python(root: Path, *, version: str) -> None:
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("etc", "root", "tmp", "var/tmp", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    for file in _files_of(_with_dependencies(_PACKAGES)):
        _copy(file, root)
    for name, text in _IDENTITIES.items():
        (root / "etc" / name).write_text(text)
    # Made when its package is installed.
    _copy("/etc/ssl/certs/ca-certificates.crt", root)
    interpreter = Path(interpreter_of(version)).resolve()
    ignored = shutil.ignore_patterns("__pycache__", "site-packages", "test", "*.a", "idlelib", "tkinter")
    shutil.copytree(
        interpreter.parent.parent, root / "usr" / "local", symlinks=True, ignore=ignored, dirs_exist_ok=True
    )
    subprocess.run(["/sbin/ldconfig", "-r", root], check=True, capture_output=True)


def _with_dependencies(packages: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    missing = set(packages)
    while missing:
        found |= missing
        listed = _dpkg("-W", "-f", "${Pre-Depends}, ${Depends}\n", *sorted(missing), strict=False)
        # The first of alternatives is the one that a small installation has.
        names = {re.split(r"[ :|(]", name.strip())[0] for name in listed.replace("\n", ",").split(",")}
        missing = names - found - {""}
    return found


def _files_of(packages: set[str]) -> list[str]:
    return [file for file in _dpkg("-L", *sorted(packages), strict=False).splitlines() if not _is_documentation(file)]


def _is_documentation(file: str) -> bool:
    return file.startswith(("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info"))


def _copy(file: str, root: Path) -> None:
    source = Path(file)
    if not source.is_symlink() and not source.is_file():
        return
    target = root / os.path.relpath(source.parent.resolve(), "/") / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_symlink() and not target.exists():
        shutil.copy2(source, target, follow_symlinks=False)


def _dpkg(*arguments: str, strict: bool) -> str:
    done = subprocess.run(["dpkg-query", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not strict, done.stderr
    return done.stdout
