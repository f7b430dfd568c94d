"""Files of a service that copier cannot merge, as far as they can be told before it begins."""

from collections.abc import Iterable
from pathlib import Path

from paceline import git
from paceline.answers import ANSWERS_FILE
from paceline.errors import PacelineError

LINK = "120000 "


def check_can_be_merged(directory: Path, service: Path, *, template: Path, changed: Iterable[str]) -> list[str]:
    """Sentences on changed files of the template that are links in the service, which copier leaves as they are.

    ``directory`` is where the service ``service`` is updated. Raises :class:`PacelineError` for a link in place of a
    directory or of the answers, which copier would follow, and for a name that copier cannot read.
    """
    listed = git.lines(directory, "ls-files", "--stage", "-z", "--", ".")
    unreadable = next((_name(entry) for entry in listed if "\ufffd" in entry), None)
    if unreadable:
        raise PacelineError(
            f"The name of {unreadable} in {service} is not UTF-8, which copier cannot update; rename the file."
        )
    links = [_name(entry) for entry in listed if entry.startswith(LINK)]
    _check_links(links, service, template)
    of_service = {file.removeprefix("template/").removesuffix(".jinja") for file in changed}
    return [
        f"{link} is a link, so the template's change to that file was left out; make it where the link leads."
        for link in sorted(of_service.intersection(links))
    ]


def _check_links(links: Iterable[str], service: Path, template: Path) -> None:
    for link in links:
        if link == ANSWERS_FILE:
            raise PacelineError(
                f"{service / link} is a link, and an update would write where it leads; put the file itself there."
            )
        if (template / link).is_dir():
            raise PacelineError(
                f"{link} is a link in {service}, but the template has a directory there, and an update would write"
                " where the link leads; put the directory back."
            )


def _name(entry: str) -> str:
    """The file of an entry of the index."""
    return entry.partition("\t")[2]
