"""Where the template is: in the checkout this package lies in, or in the wheel it was installed from."""

from pathlib import Path

from paceline.errors import BrokenTemplateError

BUNDLE = "_bundle"


def locate() -> Path:
    """The absolute directory that holds ``copier.yml``.

    Raises :class:`BrokenTemplateError` when the installation carries no template.
    """
    package = Path(__file__).resolve().parent
    # The checkout comes first: an editable installation may hold a stale bundle of an earlier build.
    checkout, bundle = package.parent.parent, package / BUNDLE
    if package.parent.name == "generator" and (checkout / "copier.yml").is_file():
        return checkout
    if (bundle / "copier.yml").is_file():
        return bundle
    raise BrokenTemplateError(f"There is no template in {checkout} or in {bundle}; install paceline again.")


def is_checkout(directory: Path) -> bool:
    """Whether a template lies in a checkout, and not in a wheel."""
    return directory.name != BUNDLE
