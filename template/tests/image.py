"""What the Dockerfile says of the image."""

import re

from tests.deployment import number, read


def _final_stage() -> str:
    stage = read("Dockerfile").rpartition("\nFROM ")[2].replace("\\\n", " ")
    besides = re.findall(r"^(ENTRYPOINT|STOPSIGNAL) ", stage, re.MULTILINE)
    assert not besides, f"{besides[0]} changes what CMD or a request to stop does, and is not read here"
    return stage


def environment() -> dict[str, str]:
    """The variables that every container of the image has, but for those of Python and the shell."""
    words = " ".join(re.findall(r"^ENV (.*)$", _final_stage(), re.MULTILINE)).split()
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs if name != "PATH" and not name.startswith("PYTHON")}


def command() -> str:
    """What a container runs unless it is told otherwise."""
    (words,) = re.findall(r"^CMD \[(.*)\]$", _final_stage(), re.MULTILINE)
    return " ".join(re.findall(r'"([^"]*)"', words))


def port() -> int:
    """The port that the image announces."""
    return number(r"^EXPOSE (\d+)$", _final_stage())


def health_path() -> str:
    """What the image's own check asks."""
    (path,) = re.findall(r"^HEALTHCHECK .*\}(/[\w/]+)'", _final_stage(), re.MULTILINE)
    return path


def user() -> str:
    """Whom a container runs as: a number, so that a platform can see that it is not root."""
    return str(number(r"^USER (\d+):\d+$", _final_stage()))
