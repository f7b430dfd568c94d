"""What a service stores of its template: an address that others can reach, or a word that there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cli.conftest import ANSWERS_TEMPLATE, PUBLISHED_AT
from cli.observations import Command, git, names_in
from paceline.origin import published_url


def _address(service: Path) -> dict[str, str]:
    answers = yaml.safe_load((service / ".copier-answers.yml").read_text())
    return {name: answers[name] for name in ("_src_path", "_commit")}


@pytest.fixture
def repository(checkout: Path, tmp_path: Path) -> str:
    """The URL of a repository with two versions of the template, v1.0.0 and v1.1.0."""
    bare = tmp_path / "template.git"
    git(checkout, "tag", "v1.0.0")
    (checkout / "template" / "app" / "main.py").write_text('"""The later service."""\n')
    git(checkout, "commit", "--quiet", "--all", "--message", "Change")
    git(checkout, "tag", "v1.1.0")
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), str(bare))
    git(checkout, "reset", "--quiet", "--hard", "v1.0.0")
    return bare.as_uri()


def test_a_checkout_is_known_by_the_server_that_has_its_commit(
    paceline_command: Command, checkout: Path, work: Path
) -> None:
    git(checkout, "tag", "v1.0.0")
    result = paceline_command("new", "demo", "--defaults")
    assert result.stderr == ""
    assert _address(work / "demo") == {"_src_path": PUBLISHED_AT, "_commit": "v1.0.0"}


def test_the_work_tree_is_rendered_and_not_the_newest_tag(
    paceline_command: Command, repository: str, checkout: Path, work: Path
) -> None:
    assert repository
    assert git(checkout, "tag").split() == ["v1.0.0", "v1.1.0"]
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert (work / "demo" / "app" / "main.py").read_text() == '"""The service."""\n'
    assert _address(work / "demo")["_commit"] == "v1.0.0"


def _commit_locally(checkout: Path) -> None:
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", "Not pushed yet")


def _have_no_remote(checkout: Path) -> None:
    git(checkout, "remote", "remove", "origin")


def _have_a_remote_on_this_machine(checkout: Path) -> None:
    git(checkout, "remote", "set-url", "origin", checkout.as_uri())


@pytest.mark.parametrize("spoil", [_commit_locally, _have_no_remote, _have_a_remote_on_this_machine])
def test_a_commit_that_no_server_has_is_said_to_be_known_here_only(
    spoil: Callable[[Path], None], paceline_command: Command, checkout: Path, work: Path
) -> None:
    spoil(checkout)
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert f"knows its template as {checkout}, which only this machine has" in result.stderr
    assert _address(work / "demo")["_src_path"] == str(checkout)


def test_a_named_repository_is_rendered_at_the_named_version(
    paceline_command: Command, repository: str, work: Path
) -> None:
    result = paceline_command("new", "demo", "--defaults", "--template", repository, "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert (work / "demo" / "app" / "main.py").read_text() == '"""The later service."""\n'
    assert _address(work / "demo") == {"_src_path": repository, "_commit": "v1.1.0"}


def test_a_repository_on_this_machine_is_rendered_with_a_note(
    paceline_command: Command, repository: str, tmp_path: Path, work: Path
) -> None:
    assert repository
    bare = tmp_path / "template.git"
    result = paceline_command("new", "demo", "--defaults", "--template", "../template.git", "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    assert f"knows its template as {bare}, which only this machine has" in result.stderr
    assert _address(work / "demo") == {"_src_path": str(bare), "_commit": "v1.1.0"}


def test_a_repository_named_by_the_environment_is_rendered_at_the_commands_own_version(
    paceline_command: Command, repository: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACELINE_TEMPLATE", repository)
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert _address(work / "demo") == {"_src_path": repository, "_commit": "v1.0.0"}


def test_a_version_whose_services_would_not_know_their_template_is_refused(
    paceline_command: Command, checkout: Path, tmp_path: Path, work: Path
) -> None:
    (checkout / "template" / ANSWERS_TEMPLATE).write_text("{{ _copier_answers | to_nice_yaml -}}\n")
    git(checkout, "commit", "--quiet", "--all", "--message", "As it was once")
    git(checkout, "tag", "v0.1.0")
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), "old.git")
    url = (tmp_path / "old.git").as_uri()
    result = paceline_command("new", "demo", "--defaults", "--template", url, "--ref", "v0.1.0")
    assert result.exit_code == 1
    assert f"use `copier copy --vcs-ref v0.1.0 {url}`" in result.stderr
    assert names_in(work) == []


def test_a_version_that_the_repository_lacks_is_refused_with_the_newest(
    paceline_command: Command, repository: str, work: Path
) -> None:
    result = paceline_command("new", "demo", "--defaults", "--template", repository, "--ref", "v2.0.0")
    assert result.exit_code == 1
    assert result.stderr == f"Error: The template at {repository} has no version v2.0.0; its newest is v1.1.0.\n"
    assert names_in(work) == []


def test_a_repository_that_cannot_be_reached_is_refused(paceline_command: Command, tmp_path: Path, work: Path) -> None:
    url = (tmp_path / "gone.git").as_uri()
    result = paceline_command("new", "demo", "--defaults", "--template", url)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: The template cannot be fetched from {url} (")
    assert result.stderr.count("\n") == 1
    assert names_in(work) == []


def test_a_directory_that_is_no_template_is_refused(paceline_command: Command, tmp_path: Path) -> None:
    result = paceline_command("new", "demo", "--defaults", "--template", tmp_path)
    assert result.exit_code == 1
    assert "is not a template: it holds no copier.yml" in result.stderr


class _Package:
    """What an installer records of a package."""

    def __init__(self, **files: str) -> None:
        self.files = files
        self.metadata = self

    def read_text(self, name: str) -> str | None:
        return self.files.get(name.replace(".", "_"))

    def get_all(self, _name: str) -> list[str]:
        return [self.files["urls"]] if "urls" in self.files else []


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        ("https://git.example.com/acme/paceline.git", "https://git.example.com/acme/paceline.git"),
        ("https://git.example.com/acme/paceline", "git+https://git.example.com/acme/paceline"),
        ("https://ada:secret@git.example.com/acme/paceline.git", "https://git.example.com/acme/paceline.git"),
        ("ssh://git@git.example.com/acme/paceline", "git+ssh://git@git.example.com/acme/paceline"),
    ],
)
def test_an_address_is_stored_as_copier_reads_it_and_without_a_password(declared: str, stored: str) -> None:
    recorded = f'{{"url": "{declared}", "vcs_info": {{"vcs": "git", "commit_id": "{"a" * 40}"}}}}'
    assert published_url(_Package(direct_url_json=recorded)) == stored  # ty: ignore[invalid-argument-type]
    assert published_url(_Package(urls=f"repository, {declared}")) == stored  # ty: ignore[invalid-argument-type]
