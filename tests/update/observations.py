"""What an update must leave as it was, and how the tests run the command and wait for it."""

import hashlib
import os
import select
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

from update.small_template import git

Command = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]

# Long enough for a machine that does much else.
PATIENCE = 120


def state(service: Path) -> dict[str, Any]:
    """All that an update must not touch: the files, the index, HEAD, references, the stash, and what lies beside it."""
    questions = (
        ["symbolic-ref", "--quiet", "HEAD"],
        ["rev-parse", "--verify", "--quiet", "HEAD"],
        ["for-each-ref"],
        ["status", "--porcelain", "--untracked-files=all", "--ignored", "-z"],
        ["ls-files", "--stage", "-z"],
        ["stash", "list"],
        ["worktree", "list", "--porcelain"],
        ["config", "--local", "--list"],
    )
    answers = {" ".join(question): _answer(service, question) for question in questions}
    beside = sorted(path.name for path in service.parent.iterdir())
    return {"files": files(service), "beside": beside, **answers}


def files(directory: Path) -> dict[str, tuple[int, str]]:
    """Each file below a directory outside of git's own, with its mode and a digest of its bytes, or its target."""
    found = {}
    for path in directory.rglob("*"):
        name = path.relative_to(directory)
        if ".git" in name.parts or (path.is_dir() and not path.is_symlink()):
            continue
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[str(name)] = (path.lstat().st_mode, hashlib.sha256(content).hexdigest())
    return found


def tree(repository: Path, commit: str) -> str:
    """Each file of a commit with its mode and its content's name in git."""
    return git(repository, "ls-tree", "-r", "--full-tree", commit)


def wait_for(fifo: int) -> None:
    """Wait until somebody writes to a fifo that is open for reading."""
    ready, _, _ = select.select([fifo], [], [], PATIENCE)
    assert ready, "nobody came"
    os.read(fifo, 1)


def _answer(directory: Path, question: list[str]) -> str:
    done = subprocess.run(["git", *question], cwd=directory, capture_output=True, check=False)
    return done.stdout.decode(errors="surrogateescape")
