"""A worker that dies ends the server, so that the platform starts it again."""

import asyncio
import os
import signal
from pathlib import Path

from app.config import Settings
from tests.server import eventually, is_alive, running_server


async def test_a_worker_that_is_killed_ends_the_server_which_finishes_its_requests(
    settings: Settings, tmp_path: Path
) -> None:
    async with running_server(settings, tmp_path, workers=2) as server:
        async with server.client() as client:
            asked = asyncio.create_task(client.get("/held", params={"directory": str(tmp_path)}))
            await eventually((tmp_path / "held").exists)
            os.kill(_another_than(tmp_path, server.workers()), signal.SIGKILL)
            (tmp_path / "release").touch()
            assert (await asked).status_code == 200
        assert await server.wait_until_it_ends() == 1
        await eventually(lambda: not any(is_alive(worker) for worker in server.workers()))
        assert "A worker has died" in server.log.read_text()


def _another_than(directory: Path, workers: list[int]) -> int:
    holding = int((directory / "held").read_text())
    return next(worker for worker in workers if worker != holding)
