"""The update of a fleet beside plain copier: ``python -m benchmarks.fleet --help``.

All services are updated by one run of the command. Now and then it is halted, and copier updates one more service in
the way that people do it in a loop, so that both meet the same machine.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine, processes
from benchmarks.rendered import ROOT, copy_work_tree

_REPORT = Path(__file__).parent / "report" / "fleet.md"
_BEFORE, _AFTER = "v1.0.0", "v1.1.0"
_BRANCH = f"paceline/update-{_AFTER}"
_ANSWERS = (
    {"database": "postgresql", "cache_backend": "redis", "task_queue": "celery-redis"},
    {"database": "postgresql", "cache_backend": "memory", "deployment_target": "kubernetes"},
    {"database": "mysql", "cache_backend": "redis", "worker_strategy": "gunicorn"},
    {"database": "sqlite", "cache_backend": "none"},
)
# What a release usually brings: changed lines, a new question, a new file.
_CHANGES = (
    (".github/workflows/ci.yml.jinja", "timeout-minutes: 15", "timeout-minutes: 20"),
    ("app/main.py.jinja", '"""The application', '"""The whole application'),
)
_ADDITIONS = {
    "copier.yml": "\non_call:\n  type: str\n  default: platform@example.com\n",
    "template/README.md.jinja": "\n## When it fails\n\nCall {{ on_call }}.\n",
    "template/SECURITY.md.jinja": "# Security\n\nWrite to {{ on_call }} of {{ project_name }}.\n",
}
_LOOK_SECONDS = 0.25
_METHOD = """\
A service is the real template at one version, in a bare repository; the next version changes two files and the README,
adds a file and asks a new question. Both ways clone the repository, update, commit and push the commit as a branch. The
command does it for all services in one run, with its checks of the answers and its reports. For copier, each of a
sample is updated alone, with the command halted meanwhile, at even distances over the whole run: `git clone`,
`copier update --defaults --skip-answered`, `git commit`, `git push`. The files that both push are the same, byte for
byte, which the run has checked. CPU is that of all processes, those that have ended included; memory is that of all
processes of the command together, with pages that they share counted once (PSS), seen four times a second."""


@dataclass
class Run:
    """The run of the command, as far as it has come."""

    wall_seconds: float = 0
    """Without the times in which it was halted."""
    cpu_seconds: float = 0
    peak_bytes: int = 0
    most_processes: int = 0


@dataclass(frozen=True)
class Cost:
    """What the update of one service by copier has taken."""

    wall_seconds: float
    cpu_seconds: float


@dataclass
class Found:
    """Both sides."""

    run: Run = field(default_factory=Run)
    plain: list[Cost] = field(default_factory=list)


def main() -> None:
    """Measure, print and write what was found. Ends with a sentence when it cannot."""
    arguments = _parser().parse_args()
    if sys.platform != "linux":
        sys.exit("This benchmark reads /proc: it needs Linux.")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("Stopped."))
    try:
        text = _measure(arguments.services, arguments.sample)
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except RuntimeError as error:
        sys.exit(f"Error: {error}")
    print(text)
    arguments.output.write_text(text)
    print(f"The report is in {arguments.output}.")


def _measure(count: int, sample_count: int) -> str:
    with tempfile.TemporaryDirectory(prefix="benchmarks-fleet-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        environment = _environment(directory)
        facts = machine.description()
        template = _make_template(directory, environment)
        _say(f"making {count} services, and {sample_count} for copier")
        models = [_make_model(directory, template, number, environment) for number in range(len(_ANSWERS))]
        services = _publish(models, directory / "fleet", count, environment)
        sample = _publish(models, directory / "plain", sample_count, environment)
        disturbance = machine.Disturbance()
        found = _update_all(directory, services, sample, environment)
        facts["others"] = f"{disturbance.others:.0%} of the cores' time, and other machines {disturbance.stolen:.0%}"
        _check_same_files(services, sample, environment)
    return _report(found, count, facts)


def _environment(directory: Path) -> dict[str, str]:
    """That of a user with an identity and without settings of their own."""
    settings = directory / "gitconfig"
    settings.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "COPIER_"))}
    own = {
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_CONFIG_NOSYSTEM": "1",
        "COPIER_CACHE_DIR": str(directory / "copier"),
        "PYTHONPATH": str(ROOT / "generator"),
    }
    return kept | own


def _make_template(directory: Path, environment: Mapping[str, str]) -> Path:
    """A bare repository with the work tree's template as one version, and the next."""
    source = directory / "template"
    copy_work_tree(source)
    _run(["git", "init", "--quiet"], source, environment)
    _release(source, _BEFORE, environment)
    for name, old, new in _CHANGES:
        file = source / "template" / name
        text = file.read_text()
        if old not in text:
            raise RuntimeError(f"{name} of the template has no {old!r} any more, which the next version is to change.")
        file.write_text(text.replace(old, new))
    for name, addition in _ADDITIONS.items():
        with (source / name).open("a") as file:
            file.write(addition)
    _release(source, _AFTER, environment)
    _run(["git", "clone", "--quiet", "--bare", source, "template.git"], directory, environment)
    return directory / "template.git"


def _release(source: Path, version: str, environment: Mapping[str, str]) -> None:
    _run(["git", "add", "--all", "--force"], source, environment)
    _run(["git", "commit", "--quiet", "--message", version], source, environment)
    _run(["git", "tag", version], source, environment)


def _make_model(directory: Path, template: Path, number: int, environment: Mapping[str, str]) -> Path:
    """A service of the older version with one of the sets of answers."""
    model = directory / f"model-{number}"
    answers = [part for name, answer in _ANSWERS[number].items() for part in ("-d", f"{name}={answer}")]
    url = f"git+file://{template}"
    _run([*_copier("copy"), "--vcs-ref", _BEFORE, *answers, url, model], directory, environment)
    _run(["git", "init", "--quiet"], model, environment)
    _run(["git", "add", "--all"], model, environment)
    _run(["git", "commit", "--quiet", "--message", "Begin"], model, environment)
    return model


def _publish(models: Sequence[Path], directory: Path, count: int, environment: Mapping[str, str]) -> list[Path]:
    directory.mkdir()
    repositories = [directory / f"service-{number}.git" for number in range(count)]
    for number, repository in enumerate(repositories):
        model = models[number % len(models)]
        _run(["git", "clone", "--quiet", "--bare", f"file://{model}", repository], directory, environment)
    return repositories


def _update_all(
    directory: Path, services: Sequence[Path], sample: Sequence[Path], environment: Mapping[str, str]
) -> Found:
    """Run the command on all services, and copier on the sample at even distances meanwhile."""
    fleet = directory / "fleet.toml"
    fleet.write_text("".join(f'[[service]]\nurl = "file://{service}"\n' for service in services))
    command = [sys.executable, "-m", "paceline", "update", "--fleet", fleet, "--ref", _AFTER, "--push", "--json"]
    found, waiting = Found(), list(sample)
    with (directory / "reports.json").open("w") as reports, (directory / "errors").open("w") as errors:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=reports, stderr=errors)  # noqa: S603
    try:
        started = time.perf_counter()
        while process.poll() is None:
            _look(process.pid, found.run)
            done = sum(_is_updated(service) for service in services)
            if waiting and done * len(sample) >= (len(sample) - len(waiting) + 0.5) * len(services):
                with _halted(process.pid):
                    halted = time.perf_counter()
                    found.plain.append(_update_plainly(waiting.pop(0), directory / "clone", environment))
                    started += time.perf_counter() - halted
                _say(f"{done} of {len(services)} services, {len(found.plain)} of {len(sample)} by copier")
            time.sleep(_LOOK_SECONDS)
        found.run.wall_seconds = time.perf_counter() - started
    finally:
        processes.stop(process)
    if process.returncode != 0:
        raise RuntimeError(f"the command ended with {process.returncode}: {(directory / 'errors').read_text()}")
    results = {report["result"] for report in json.loads((directory / "reports.json").read_text())}
    if results != {"updated"}:
        raise RuntimeError(f"not all services were updated: {', '.join(sorted(results))}.")
    # What fell between two looks, or is due after the last.
    found.plain += [_update_plainly(service, directory / "clone", environment) for service in waiting]
    return found


def _look(pid: int, run: Run) -> None:
    family = processes.family_of(pid)
    run.cpu_seconds = max(run.cpu_seconds, processes.cpu_seconds_with_the_ended(family))
    run.peak_bytes = max(run.peak_bytes, sum(_proportional_bytes(member) for member in family))
    run.most_processes = max(run.most_processes, len(family))


def _proportional_bytes(pid: int) -> int:
    """The memory of a process, of shared pages its part (proc_pid_smaps(5)); none when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _is_updated(service: Path) -> bool:
    return (service / "refs" / "heads" / _BRANCH).exists()


@contextmanager
def _halted(pid: int) -> Generator[None]:
    """Halt a process and its descendants for the block."""
    halted: list[int] = []
    # Until none is left that was started while others were being halted.
    while new := [member for member in processes.family_of(pid) if member not in halted]:
        for member in new:
            halted.append(member)
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGSTOP)
    try:
        yield
    finally:
        for member in reversed(halted):
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGCONT)


def _update_plainly(service: Path, clone: Path, environment: Mapping[str, str]) -> Cost:
    """What one turn of a loop with copier does."""
    children = os.times()
    started = time.perf_counter()
    _run(["git", "clone", "--quiet", f"file://{service}", clone], clone.parent, environment)
    _run([*_copier("update"), "--skip-answered", "--vcs-ref", _AFTER], clone, environment)
    _run(["git", "checkout", "--quiet", "-b", _BRANCH], clone, environment)
    _run(["git", "add", "--all"], clone, environment)
    _run(["git", "commit", "--quiet", "--message", f"Update to {_AFTER}"], clone, environment)
    _run(["git", "push", "--quiet", "origin", _BRANCH], clone, environment)
    shutil.rmtree(clone)
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - children.children_user - children.children_system
    return Cost(wall_seconds=wall, cpu_seconds=cpu)


def _check_same_files(services: Sequence[Path], sample: Sequence[Path], environment: Mapping[str, str]) -> None:
    """Raise ``RuntimeError`` unless both ways have made the same of each model."""
    tree = ["git", "rev-parse", f"{_BRANCH}^{{tree}}"]
    for number in range(min(len(services), len(sample), len(_ANSWERS))):
        if _run(tree, services[number], environment) != _run(tree, sample[number], environment):
            raise RuntimeError(f"the command and copier have made different files of {_ANSWERS[number]}.")


def _report(found: Found, count: int, facts: Mapping[str, str]) -> str:
    run, plain = found.run, found.plain
    wall, cpu = (
        statistics.median(values) for values in zip(*((c.wall_seconds, c.cpu_seconds) for c in plain), strict=True)
    )
    own_wall, own_cpu = run.wall_seconds / count, run.cpu_seconds / count
    walls = sorted(cost.wall_seconds for cost in plain)
    rows = [
        ("", "`paceline update --fleet`", "`copier update` in a loop", "ratio"),
        ("---", "---:", "---:", "---:"),
        (
            "time per service",
            f"{own_wall:.2f} s",
            f"{wall:.2f} s ({walls[0]:.2f}–{walls[-1]:.2f})",
            f"{wall / own_wall:.2f}",
        ),
        ("CPU per service", f"{own_cpu:.2f} s", f"{cpu:.2f} s", f"{cpu / own_cpu:.2f}"),
        (f"time for {count}", f"{run.wall_seconds:.0f} s", f"{wall * count:.0f} s (computed)", ""),
        ("memory at most", f"{run.peak_bytes / 2**20:.0f} MiB in {run.most_processes} processes", "", ""),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    command = shlex.join(["python", "-m", "benchmarks.fleet", *sys.argv[1:]])
    parts = [
        "# A fleet, updated",
        f"`{command}`, commit {machine.commit(None)}; {len(plain)} services by copier, of which the median is given.",
        table,
        _METHOD,
        "\n".join(lines),
    ]
    return "\n\n".join(parts) + "\n"


def _copier(command: str) -> list[str]:
    return [sys.executable, "-m", "copier", command, "--quiet", "--defaults"]


def _run(command: Sequence[str | Path], directory: Path, environment: Mapping[str, str]) -> str:
    """What a command prints. Raises ``RuntimeError`` with its errors when it fails."""
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(map(str, command))} failed: {done.stderr.strip()}")
    return done.stdout


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description="Update many services at once, and some by copier beside it."
    )
    parser.add_argument("--services", type=int, default=200, metavar="N", help="services of the fleet (200)")
    parser.add_argument("--sample", type=int, default=20, metavar="N", help="services that copier updates (20)")
    parser.add_argument("--output", type=Path, default=_REPORT, help="where to write the report (benchmarks/report)")
    return parser


if __name__ == "__main__":
    main()
