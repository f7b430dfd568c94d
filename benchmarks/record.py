"""All that a run found out: what the report and the plots are made of, kept as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.figures import CaseFigures, Figure
from benchmarks.outcome import Outcome, Verdict


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run."""

    facts: Mapping[str, str]
    """The machine, the versions, the commit and the command."""
    outcomes: Sequence[Outcome]
    cases: Mapping[str, Mapping[str, CaseFigures]]
    """By block and name."""
    experiments: Mapping[str, Any]
    """By row."""
    noise: Sequence[str]
    """Sentences; none when the machine was calm."""
    remarks: Sequence[str] = ()
    """Sentences about what could not be measured."""

    def to_json(self) -> str:
        """As text that :func:`record_of` reads."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def record_of(text: str) -> Record:
    """What :meth:`Record.to_json` wrote."""
    read = json.loads(text)
    return Record(
        facts=read["facts"],
        outcomes=[Outcome(**{**outcome, "verdict": Verdict(outcome["verdict"])}) for outcome in read["outcomes"]],
        cases={
            block: {name: _case_of(figures) for name, figures in cases.items()}
            for block, cases in read["cases"].items()
        },
        experiments=read["experiments"],
        noise=read["noise"],
        remarks=read["remarks"],
    )


def _case_of(read: dict[str, Any]) -> CaseFigures:
    spread_out: dict[str, Any] = {
        name: Figure(**value) if isinstance(value, dict) else value for name, value in read.items()
    }
    return CaseFigures(**spread_out)
