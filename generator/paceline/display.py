"""How plans, files and checks look on a terminal."""

import io
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import PurePosixPath

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from paceline.capacity import Plan
from paceline.database_plans import DatabasePlan
from paceline.verification import Check, Outcome

WIDEST_LINE = 10_000


def show_plan(console: Console, plan: Plan, *, title: str) -> None:
    """The capacity plan as a table, each value with its reason."""
    table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(style="dim")
    for row in plan.rows():
        table.add_row(row.name, row.value, row.reason)
    print_table(console, table)


def show_database_plans(console: Console, plans: Sequence[DatabasePlan]) -> None:
    """The plans of each provider as a table, under the page that documents them."""
    width = max(len(plan.name) for plan in plans)
    for provider, of_provider in groupby(plans, key=lambda plan: plan.provider):
        rows = list(of_provider)
        console.print(Text(f"{provider} ({rows[0].engine})", style="bold"), soft_wrap=True)
        console.print(Text(f"{rows[0].source}, read on {rows[0].read_on}", style="dim"), soft_wrap=True)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=width)
        table.add_column(justify="right", no_wrap=True, min_width=16)
        table.add_column(style="dim", no_wrap=True)
        for plan in rows:
            kept = f"{plan.provider_reserved} of them reserved" if plan.provider_reserved else ""
            table.add_row(plan.name, f"{plan.connections} connections", kept)
        print_table(console, table)
        console.print()


def print_table(console: Console, table: Table) -> None:
    """A table; where nobody reads along, columns that are not wrapped are not cut to a terminal's width either."""
    if console.is_terminal:
        console.print(table)
        return
    is_wrapped = not all(column.no_wrap for column in table.columns)
    needed = Measurement.get(console, console.options.update(max_width=WIDEST_LINE), table).maximum
    page = Console(file=io.StringIO(), width=console.width if is_wrapped else needed, highlight=False)
    with page.capture() as captured:
        page.print(table)
    # Cells are filled up with blanks, which somebody who compares or mails the lines would see.
    console.out("\n".join(line.rstrip() for line in captured.get().splitlines()), highlight=False)


def show_section(console: Console, title: str, lines: Sequence[str]) -> None:
    """Lines under a title, after an empty line; nothing where there are none."""
    if lines:
        console.print(Text(f"\n{title}", style="bold"), soft_wrap=True)
        console.out("\n".join(f"  {line}".rstrip() for line in lines), highlight=False)


def show_files(console: Console, files: Sequence[str], *, title: str) -> None:
    """Files as a tree; each is a path relative to the title, with ``/``."""
    tree = Tree(Text(title))
    branches = {PurePosixPath(): tree}
    for file in files:
        path = PurePosixPath(file)
        for part in (*reversed(path.parents), path):
            if part not in branches:
                branches[part] = branches[part.parent].add(Text(part.name))
    console.print(tree)


def show_outcome(console: Console, outcome: Outcome) -> None:
    """One line for a check and, when it failed, all that it said."""
    verdict = "passed" if outcome.passed else f"failed with status {outcome.exit_status}"
    style = "green" if outcome.passed else "bold red"
    line = Text.assemble(f"{outcome.check.name:<12}", (verdict, style), f" after {outcome.seconds:.1f} s")
    console.print(line, soft_wrap=True)
    if not outcome.passed:
        console.out(outcome.output.rstrip(), highlight=False)


@contextmanager
def progress(console: Console) -> Generator[Callable[[Check], None]]:
    """A line that says which check runs, until the block is left; shown on a terminal only."""
    with console.status("") as status:
        yield lambda check: status.update(f"{check.name}: uv {' '.join(check.arguments)}")
