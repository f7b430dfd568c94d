"""Workers that die or are replaced while callers ask."""

import os
import signal
from collections.abc import AsyncGenerator

import pytest

from app.config import Settings
from tests.server import Server, answers_during, eventually, is_alive, running_server

WORKERS = 2


@pytest.fixture(scope="module")
async def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A started server; stopped at the end."""
    async with running_server(settings, tmp_path_factory.mktemp("server"), workers=WORKERS) as server:
        yield server


async def test_a_worker_that_is_killed_is_replaced_while_the_others_answer(server: Server) -> None:
    before = server.workers()

    async def kill_one() -> None:
        os.kill(before[-1], signal.SIGKILL)
        await server.wait_until_ready(len(before) + 1)

    answers = await answers_during(server, kill_one())
    assert set(answers) == {200}
    assert len(set(server.workers())) == len(before) + 1


async def test_all_workers_are_replaced_without_losing_a_request(server: Server) -> None:
    old = server.workers()

    async def replace_all() -> None:
        server.process.send_signal(signal.SIGHUP)
        await server.wait_until_ready(len(old) + WORKERS)
        await eventually(lambda: not any(is_alive(worker) for worker in old))

    answers = await answers_during(server, replace_all())
    assert set(answers) == {200}
    assert len(set(server.workers())) == len(old) + WORKERS
