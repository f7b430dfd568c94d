"""A fleet's file: which services there are, what they share, and where their template has moved."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from paceline.errors import UsageError
from paceline.fleet import Fleet, Member
from paceline.snapshot import git_url, looks_like_directory

KEYS: Mapping[str, type] = {"answers": str, "template": str, "service": list}
SERVICE_KEYS: Mapping[str, type] = {"url": str, "directory": str, "branch": str}
WORDS_FOR_TYPES: Mapping[type, str] = {str: "a text", list: "a list of tables, each under [[service]]"}


def read_fleet(file: Path) -> Fleet:
    """The fleet that a TOML file describes. Paths in it are relative to it.

    Raises :class:`UsageError` with the key and its place.
    """
    content = _read(file)
    _check_keys(content, KEYS, place=f"{file}")
    entries = content.get("service", [])
    if not entries:
        raise UsageError(f"{file} names no service; write a [[service]] for each, with its url or its directory.")
    members: dict[Member, int] = {}
    for number, entry in enumerate(entries, start=1):
        place = f"{file}, [[service]] {number}"
        if not isinstance(entry, dict):
            raise UsageError(f"{file}: service must be {WORDS_FOR_TYPES[list]}.")
        member = _member(entry, file.resolve().parent, place)
        if member in members:
            raise UsageError(f"{place} is the same as [[service]] {members[member]} ({member.address}); keep one.")
        members[member] = number
    answers = content.get("answers")
    return Fleet(
        members=tuple(members),
        answers=None if answers is None else file.parent / answers,
        template=content.get("template"),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The fleet's file {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The fleet's file {file} is not TOML: {error}.") from error


def _check_keys(content: Mapping[str, Any], known: Mapping[str, type], *, place: str) -> None:
    for key, value in content.items():
        if key not in known:
            nearest = get_close_matches(key, known, n=1)
            advice = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}."
            raise UsageError(f"{place}: there is no key {key!r}; {advice}")
        if not isinstance(value, known[key]):
            raise UsageError(f"{place}: {key} must be {WORDS_FOR_TYPES[known[key]]}, not {value!r}.")
        if value == "":
            raise UsageError(f"{place}: {key} is empty.")


def _member(entry: Mapping[str, Any], base: Path, place: str) -> Member:
    _check_keys(entry, SERVICE_KEYS, place=place)
    url, directory, branch = (entry.get(key) for key in SERVICE_KEYS)
    if url is None:
        if directory is None:
            raise UsageError(f"{place} needs a url, or the directory of a service on this machine.")
        if branch is not None:
            raise UsageError(
                f"{place}: branch goes with a url; a directory is updated from the branch that is checked out there."
            )
        return Member(directory=(base / directory).resolve())
    inside = Path(directory or "")
    if inside.is_absolute() or ".." in inside.parts:
        raise UsageError(f"{place}: with a url, directory is a path in its repository, not {directory!r}.")
    return Member(url=_repository(url, base), directory=inside, branch=branch)


def _repository(url: str, base: Path) -> str:
    """The URL that git understands, so that one repository has one URL, however it was written."""
    # A repository on this machine is read as the other paths are.
    return (base / url).resolve().as_uri() if looks_like_directory(url) else git_url(url)
