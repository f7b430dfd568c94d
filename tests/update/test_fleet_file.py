"""What a fleet's file may say, and the sentence for what it may not."""

from pathlib import Path

import pytest

from paceline.errors import UsageError
from paceline.fleet import Member
from paceline.fleet_file import read_fleet


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "fleets").mkdir()
    file = tmp_path / "fleets" / "fleet.toml"
    file.write_text(
        """
        answers = "team.yml"
        template = "git+https://git.example.com/acme/paceline.git"
        [[service]]
        url = "git@git.example.com:acme/orders.git"
        directory = "services/orders"
        branch = "release"
        [[service]]
        directory = "../billing"
        [[service]]
        url = "../bare.git"
        """
    )
    fleet = read_fleet(file)
    assert fleet.answers == tmp_path / "fleets" / "team.yml"
    assert fleet.template == "git+https://git.example.com/acme/paceline.git"
    assert list(fleet.members) == [
        Member(url="git@git.example.com:acme/orders.git", directory=Path("services/orders"), branch="release"),
        Member(directory=tmp_path / "billing"),
        Member(url=f"file://{tmp_path}/bare.git"),
    ]
    assert fleet.members[0].name == "acme/orders services/orders"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("git+https://git.example.com/acme/orders.git", "https://git.example.com/acme/orders.git"),
        ("git+file:///srv/orders.git", "file:///srv/orders.git"),
        ("git+ssh://git@git.example.com/acme/orders.git", "ssh://git@git.example.com/acme/orders.git"),
        ("gh:acme/orders", "https://github.com/acme/orders.git"),
        ("gl:acme/orders.git", "https://gitlab.com/acme/orders.git"),
    ],
)
def test_a_url_as_services_store_it_is_one_that_git_understands(written: str, url: str, tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(f"[[service]]\nurl = '{written}'")
    assert list(read_fleet(file).members) == [Member(url=url)]


def test_a_password_is_not_shown() -> None:
    member = Member(url="https://ada:secret@git.example.com/acme/orders.git")
    assert "secret" not in f"{member.name} {member.address}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no service; write a [[service]]"),
        ("services = 1", "there is no key 'services'; did you mean 'service'?"),
        ("answers = 3\n[[service]]\nurl = 'x'", "answers must be a text, not 3"),
        ("service = 'x'", "service must be a list of tables"),
        ("service = ['x']", "service must be a list of tables"),
        ("[service]\nurl = 'x'", "service must be a list of tables"),
        (
            "[[service]]\nurl = 'x'\n[[service]]\nurll = 'y'",
            "[[service]] 2: there is no key 'urll'; did you mean 'url'?",
        ),
        ("[[service]]\nurl = ['x']", "[[service]] 1: url must be a text"),
        ("[[service]]\nurl = ''", "[[service]] 1: url is empty"),
        ("[[service]]\nbranch = 'main'", "[[service]] 1 needs a url, or the directory"),
        ("[[service]]\ndirectory = 'x'\nbranch = 'main'", "branch goes with a url"),
        ("[[service]]\nurl = 'x'\ndirectory = '../y'", "a path in its repository, not '../y'"),
        ("[[service]]\nurl = 'x'\ndirectory = '/y'", "a path in its repository, not '/y'"),
        ("[[service]]\nurl = 'x'\n[[service]]\nurl = './x'", "[[service]] 2 is the same as [[service]] 1"),
        (
            "[[service]]\nurl = 'https://github.com/acme/x.git'\n[[service]]\nurl = 'gh:acme/x'",
            "[[service]] 2 is the same as [[service]] 1 (https://github.com/acme/x.git)",
        ),
        (
            "[[service]]\nurl = 'file:///srv/x.git'\n[[service]]\nurl = 'git+file:///srv/x.git'",
            "[[service]] 2 is the same as [[service]] 1",
        ),
        ("[[service", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_the_place(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refusal:
        read_fleet(file)
    assert sentence in str(refusal.value)
    assert str(file) in str(refusal.value)
