"""The notes on each version that `UPGRADING.md` of the template keeps, one section for a version."""

import re

from packaging.version import InvalidVersion, Version

FILE = "UPGRADING.md"
HEADING = re.compile(r"^## +(?P<title>.*)$", re.MULTILINE)
VERSION_IN_TITLE = re.compile(r"\[?(?P<version>v?\d[\w.]*)")


def notes_between(text: str | None, before: str, after: str) -> str:
    """The sections on the versions after one and up to another, with their headings, as the file orders them."""
    oldest, newest = _version(before), _version(after)
    if text is None or oldest is None or newest is None:
        return ""
    sections = [section.strip() for version, section in _sections(text) if oldest < version <= newest]
    return "\n\n".join(sections)


def _sections(text: str) -> list[tuple[Version, str]]:
    headings = list(HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings), len(text)][1:]
    found = []
    for heading, end in zip(headings, ends, strict=False):
        title = VERSION_IN_TITLE.match(heading["title"])
        version = _version(title["version"]) if title else None
        if version is not None:
            found.append((version, text[heading.start() : end]))
    return found


def _version(name: str) -> Version | None:
    """The version of a tag, or of ``git describe``'s name for a commit after it, which is a little later."""
    described = re.fullmatch(r"(?P<tag>.+)-(?P<commits>\d+)-g[0-9a-f]+", name)
    try:
        return Version(f"{described['tag']}.post{described['commits']}" if described else name)
    except InvalidVersion:
        return None
