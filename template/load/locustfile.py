"""A mixed and uneven load: most callers want the same few things, some change them.

``python -m load.measure`` starts the service, puts this load on it and writes a report.
"""

import random
import sys
import time
from http import HTTPStatus

import httpx2
from locust import FastHttpUser, between, events, task
from locust.contrib.fasthttp import FastResponse
from locust.env import Environment

from app.config import load_settings
from app.security import issue_token

_SETTINGS = load_settings()
_REPORT_SECONDS = 30


@events.init.add_listener
def refuse_an_empty_database(environment: Environment, **_: object) -> None:
    """Empty pages are fast, and say nothing."""
    response = httpx2.get(f"{environment.host or Caller.host}/items", timeout=30, trust_env=False)
    if response.status_code != HTTPStatus.OK:
        sys.exit(f"GET /items answered {response.status_code}; has the database been migrated?")
    if not response.json()["items"]:
        sys.exit("There are no items to ask for; make some: python -m load.seed --items 10000")


class Caller(FastHttpUser):
    """Someone who looks a lot, comes back for what they saw, and changes little."""

    host = "http://127.0.0.1:8000"
    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        """Have a name, and see the newest items."""
        # The generated items belong to user-1 ... user-100; few of them are active.
        token = issue_token(f"user-{_skewed(100) + 1}", _SETTINGS)
        self.authorization = {"Authorization": f"Bearer {token}"}
        self.cursor: str | None = None
        self.item_ids: list[int] = []
        self.etags: dict[int, str] = {}
        self.list_items()

    @task(30)
    def popular(self) -> None:
        """What everyone sees first."""
        self.client.get("/items/popular", name="/items/popular")

    @task(20)
    def list_items(self) -> None:
        """The next page; most callers leave after a few."""
        parameters = {"cursor": self.cursor} if self.cursor and random.random() < 0.7 else {}  # noqa: S311
        with self.client.get("/items", params=parameters, name="/items", catch_response=True) as response:
            if response.status_code != HTTPStatus.OK:
                response.failure(f"status {response.status_code}")
                return
            page = response.json()
        self.cursor = page["next_cursor"]
        self.item_ids = self.item_ids or [item["id"] for item in page["items"]]

    @task(30)
    def item(self) -> None:
        """One of a few items; 304 when it is the version that the caller has."""
        item_id = self._any_item()
        if item_id is None:
            return
        headers = {"If-None-Match": self.etags[item_id]} if item_id in self.etags else {}
        self._remember(item_id, self.client.get(f"/items/{item_id}", headers=headers, name="/items/{id}"))

    @task(10)
    def dashboard(self) -> None:
        """What belongs to the caller."""
        self.client.get("/me/dashboard", headers=self.authorization, name="/me/dashboard")

    @task(3)
    def change(self) -> None:
        """A new price for an item that was seen; 412 when someone else was faster."""
        item_id = self._any_item()
        if item_id is None or item_id not in self.etags:
            return
        with self.client.patch(
            f"/items/{item_id}",
            json={"price_cents": random.randint(100, 100_000)},  # noqa: S311
            headers={"If-Match": self.etags[item_id]},
            name="/items/{id}",
            catch_response=True,
        ) as response:
            if response.status_code == HTTPStatus.PRECONDITION_FAILED:
                del self.etags[item_id]
                response.success()
            else:
                self._remember(item_id, response)

    @task(1)
    def report(self) -> None:
        """A report, asked for and then looked up until it is there."""
        accepted = self.client.post("/reports", name="/reports")
        location = _header(accepted, "Location")
        if location is None:
            return
        deadline = time.monotonic() + _REPORT_SECONDS
        status = "pending"
        while status in ("pending", "running"):
            time.sleep(0.5)
            with self.client.get(location, name="/reports/{id}", catch_response=True) as response:
                status = response.json()["status"] if response.status_code == HTTPStatus.OK else "unknown"
                if status not in ("pending", "running", "done"):
                    response.failure(f"the report is {status}")
                elif status != "done" and time.monotonic() > deadline:
                    response.failure(f"the report is {status} after {_REPORT_SECONDS} s")
                    return

    def _remember(self, item_id: int, response: FastResponse) -> None:
        etag = _header(response, "ETag")
        if etag is not None:
            self.etags[item_id] = etag

    def _any_item(self) -> int | None:
        return self.item_ids[_skewed(len(self.item_ids))] if self.item_ids else None


def _header(response: FastResponse, name: str) -> str | None:
    value = response.headers.get(name) if response.headers else None
    return value if isinstance(value, str) else None


def _skewed(length: int) -> int:
    """An index below the length; half of them fall into the first eighth."""
    return int(length * random.random() ** 3)  # noqa: S311
