"""Tasks lie in a queue that survives the loss of a node, and are not handed out for ever."""

from collections.abc import Iterator
from typing import Any

import pytest
from amqp import Channel
from amqp.exceptions import PreconditionFailed
from kombu import Connection

from app.config import Settings
from app.tasks.worker import celery


@pytest.fixture
def channel(settings: Settings, broker: None) -> Iterator[Channel]:  # noqa: ARG001
    """A way to ask RabbitMQ, where the queue of the tasks is declared."""
    with Connection(settings.celery_broker_url) as connection:
        celery.amqp.default_queue(connection.channel()).declare()
        yield connection.channel()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"x-queue-type": "classic"}, "'x-queue-type' for queue 'celery' .* current is .*'quorum'"),
        (
            {"x-queue-type": "quorum", "x-delivery-limit": 1},
            "'x-delivery-limit' for queue 'celery' .* current is .*'20'",
        ),
    ],
)
def test_the_queue_is_what_it_was_declared_as(channel: Channel, arguments: dict[str, Any], answer: str) -> None:
    with pytest.raises(PreconditionFailed, match=answer):
        channel.queue_declare("celery", durable=True, auto_delete=False, arguments=arguments)
