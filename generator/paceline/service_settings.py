"""The settings of a service, read from the text of its ``app/config.py`` without running it."""

import ast
from dataclasses import dataclass

FILE = "app/config.py"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A field of the class ``Settings``: an environment variable."""

    variable: str
    """The variable's name, in capitals."""
    default: str | None
    """As written in the file; None when the variable must be set."""
    meaning: str
    """Its docstring; empty where it has none."""


def read_settings(text: str | None) -> dict[str, Setting]:
    """The settings by their variables; none where there is no file, or no Python in it."""
    try:
        module = ast.parse(text or "")
    except SyntaxError:
        return {}
    classes = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    return {setting.variable: setting for node in classes for setting in _settings(node)}


def _settings(node: ast.ClassDef) -> list[Setting]:
    settings = []
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            variable, meaning = statement.target.id.upper(), _docstring(following)
            settings.append(Setting(variable=variable, default=_default(statement.value), meaning=meaning))
    return settings


def _default(value: ast.expr | None) -> str | None:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Field":
        given = {word.arg: word.value for word in value.keywords}
        value = value.args[0] if value.args else given.get("default", given.get("default_factory"))
    return None if value is None else ast.unparse(value)


def _docstring(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""
