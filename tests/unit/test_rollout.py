"""The formula's peak of a rollout is what Kubernetes reaches, by a model of its Deployment controller.

The model follows https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment:
pods that stop are in none of the controller's sums.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.capacity import Deployment

# Seconds that a pod may take to stop: the sleep before it is asked to, and its grace period.
STOPPING = 40

Seconds = Callable[[], int]


@dataclass
class Pod:
    """A pod of the old version or of the new one, with the moments of its life."""

    is_new: bool
    ready_at: int
    gone_at: int | None = None
    """Of a pod that is stopping."""


class Rollout:
    """A Deployment whose pods are replaced, with ``maxUnavailable`` 0."""

    def __init__(
        self, replicas: int, surge: int, *, min_ready_seconds: int, seconds_to_start: Seconds, seconds_to_stop: Seconds
    ) -> None:
        self._replicas = replicas
        self._most = replicas + ceil(replicas * surge / 100)
        self._min_ready_seconds = min_ready_seconds
        self._seconds_to_start = seconds_to_start
        self._seconds_to_stop = seconds_to_stop
        # All of them have been there for ever.
        self._pods = [Pod(is_new=False, ready_at=-1_000_000) for _ in range(replicas)]

    def pods_at_once(self) -> Iterator[int]:
        """How many pods there are, with those that stop, whenever that has changed, until the rollout is over."""
        now = 0
        while not self._is_over():
            while self._starts(now) or self._stops(now):
                yield len(self._pods)
            now = self._next_moment(now)
            self._pods = [pod for pod in self._pods if pod.gone_at is None or pod.gone_at > now]

    def _starts(self, now: int) -> bool:
        counted = self._counted()
        new = sum(pod.is_new for pod in counted)
        starting = min(self._most - len(counted), self._replicas - new)
        self._pods += [Pod(is_new=True, ready_at=now + self._seconds_to_start()) for _ in range(starting)]
        return starting > 0

    def _stops(self, now: int) -> bool:
        counted = self._counted()
        available = [pod for pod in counted if pod.ready_at + self._min_ready_seconds <= now]
        old = [pod for pod in counted if not pod.is_new]
        stopping = old[: max(0, len(available) - self._replicas)]
        for pod in stopping:
            pod.gone_at = now + self._seconds_to_stop()
        return bool(stopping)

    def _counted(self) -> list[Pod]:
        return [pod for pod in self._pods if pod.gone_at is None]

    def _is_over(self) -> bool:
        return all(pod.is_new for pod in self._pods)

    def _next_moment(self, now: int) -> int:
        moments = [pod.ready_at + self._min_ready_seconds for pod in self._counted()]
        moments += [pod.gone_at for pod in self._pods if pod.gone_at is not None]
        return min(moment for moment in moments if moment > now)


def planned(replicas: int, surge: int) -> int:
    return Deployment(replicas=replicas, rollout_surge=surge, stops_beside_starts=1).web_processes


def slowest(replicas: int, surge: int, *, min_ready_seconds: int) -> int:
    """The most pods when all start alike, and each takes all the time it has to stop."""
    rollout = Rollout(
        replicas,
        surge,
        min_ready_seconds=min_ready_seconds,
        seconds_to_start=lambda: 5,
        seconds_to_stop=lambda: STOPPING,
    )
    return max(rollout.pods_at_once())


@pytest.mark.parametrize("surge", [1, 10, 25, 33, 50, 60, 99, 100])
def test_a_rollout_of_slow_pods_reaches_the_planned_peak(surge: int) -> None:
    for replicas in range(1, 41):
        assert slowest(replicas, surge, min_ready_seconds=STOPPING) == planned(replicas, surge), replicas


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 40), st.integers(1, 100), st.integers(0, 60), st.randoms(use_true_random=False))
def test_no_rollout_exceeds_the_planned_peak(replicas: int, surge: int, patience: int, random: Random) -> None:
    rollout = Rollout(
        replicas,
        surge,
        min_ready_seconds=STOPPING + patience,
        seconds_to_start=lambda: random.randint(0, 120),
        seconds_to_stop=lambda: random.randint(1, STOPPING),
    )
    assert max(rollout.pods_at_once()) <= planned(replicas, surge)


def test_without_patience_more_pods_are_there_than_planned() -> None:
    # 8 replicas, of which 2 may start beside: planned are 8 + 2 + 2.
    assert slowest(8, 25, min_ready_seconds=STOPPING) == planned(8, 25) == 12
    assert slowest(8, 25, min_ready_seconds=0) == 16


def test_without_patience_no_more_than_twice_the_replicas_are_there() -> None:
    for replicas, surge in product(range(1, 21), (1, 25, 50, 100)):
        assert slowest(replicas, surge, min_ready_seconds=0) <= 2 * replicas
