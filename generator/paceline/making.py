"""A service from answers: rendered, planned, reviewed, given its history, and only then put where it goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline import repository
from paceline.answers import ANSWERS_FILE, read_address
from paceline.destination import Staging, check_destination, rehearsal, staging
from paceline.errors import PacelineError
from paceline.origin import Source
from paceline.planning import plan_for

if TYPE_CHECKING:
    from paceline.capacity import Plan
    from paceline.rendering import Rendering


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made of which answers, and where."""

    source: Source
    given: Mapping[str, Any]
    destination: Path
    """Absolute."""
    asks: bool
    """Whether questions without an answer are asked on the terminal; else they take their defaults."""
    wants_history: bool


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A service that is rendered and planned."""

    rendering: "Rendering"
    plan: "Plan"
    notes_on_history: tuple[str, ...] = ()
    """Sentences that the user should read."""

    def as_dict(self) -> dict[str, Any]:
        """The answers as the service stores them, the plan and the files, for machines."""
        return {
            "answers": dict(self.rendering.stored_answers),
            "plan": self.plan.as_dict(),
            "files": list(self.rendering.files),
        }


def check_order(order: Order) -> None:
    """Raise :class:`~paceline.errors.PacelineError` for what would stop the order, before anybody is asked."""
    check_destination(order.destination)
    if order.wants_history:
        repository.check_can_begin(order.destination)


def rehearse(order: Order) -> Draft:
    """Draft a service and keep none of it. Raises :class:`~paceline.errors.PacelineError`."""
    with rehearsal(order.destination) as stage:
        return _draft(order, stage)


def make(order: Order, *, review: Callable[[Draft], object]) -> Draft:
    """Make a service. Until it is complete nothing is at the destination, and nothing is left of a failure.

    ``review`` sees the draft before it is kept, and raises to refuse it. Raises
    :class:`~paceline.errors.PacelineError`.
    """
    with staging(order.destination) as stage:
        draft = _draft(order, stage)
        review(draft)
        if order.wants_history:
            draft = replace(draft, notes_on_history=_begin_history(order, stage, draft))
        stage.publish()
    return draft


def _draft(order: Order, stage: Staging) -> Draft:
    # Late, because copier takes longer to import than all the rest.
    from paceline import rendering

    template, address = order.source.directory, order.source.address
    if order.asks:
        is_named = "project_name" in order.given
        suggested = {} if is_named else rendering.suggest_name(template, order.destination.name)
        rendered = rendering.render_asking(template, stage.directory, order.given, address=address, suggested=suggested)
    else:
        rendered = rendering.render(template, stage.directory, order.given, address=address)
    _check_address(stage.directory, address)
    return Draft(rendering=rendered, plan=plan_for(rendered.answers))


def _check_address(service: Path, address: Mapping[str, str]) -> None:
    """Raise where a template has not stored its address as it was told: such a service could never be updated."""
    stored = read_address(service / ANSWERS_FILE)
    if not address.items() <= stored.items():
        url, version = address["_src_path"], address["_commit"]
        raise PacelineError(
            f"{version} of the template at {url} cannot be rendered by this command, because its services would not"
            f" know it; use `copier copy --vcs-ref {version} {url}`, or name a newer version with --ref."
        )


def _begin_history(order: Order, stage: Staging, draft: Draft) -> tuple[str, ...]:
    from importlib.metadata import version

    message = f"Make {draft.rendering.answers['project_name']} with Paceline {version('paceline')}"
    return repository.begin(stage.directory, destination=order.destination, message=message)
