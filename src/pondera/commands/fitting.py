"""Trains what ``pondera train`` was asked for into a folder: the run, the model, and how well that predicts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pondera.errors import ArgumentError

if TYPE_CHECKING:
    from pondera.commands.training import Asked, Rows
    from pondera.findings import Finding
    from pondera.model.evaluation import Evaluation
    from pondera.model.model import Model
    from pondera.recording.health.watch import OnFinding
    from pondera.recording.recorder import Recorder
    from pondera.report.training import TrainingReport


def fit_into(asked: Asked, out: Path | None, level: str, replace: bool = False) -> TrainingReport:
    """Train, save the model into a folder beside the run that led to it, and return how well it predicts.

    What a rule finds wrong while training goes on is printed on standard error.

    Parameters
    ----------
    asked
        What is trained, and on what.
    out
        The folder; None for one that is called as the table, beside where the command is given.
    level
        How much of the life of every weight is kept: ``"default"``, ``"full"`` or ``"off"``.
    replace
        Whether an unfinished run of another training that is there is replaced; a finished one is in any case.

    Raises
    ------
    TableError, ArgumentError
        If the table cannot be read, nothing can be learned from it, or the folder cannot be written to.
    RunError
        If another process writes to the folder's run, or it is unfinished, another one and not to be replaced.
    KeyboardInterrupt
        If it is interrupted once the model is saved; before that, the best weights so far are what is saved.
    """
    from pondera.recording.schedule import OFF, SCHEDULES, require_level
    from pondera.recording.schema import DATABASE
    from pondera.report.terminal import messages
    from pondera.report.training import TrainingReport
    from pondera.report.training_progress import training_progress
    from pondera.training.stopping import Interruption

    require_level(level, [*SCHEDULES, OFF])
    rows = asked.rows()
    folder = _folder(out, Path(rows.source).stem)
    path = folder / "model.safetensors"
    estimator = asked.estimator(rows.task)
    metric = "accuracy" if rows.task == "classification" else "RMSE/std"
    with (
        Interruption() as saving,  # what came of training is not lost, nor what was recorded of it
        _recording(folder, level, asked, rows, replace) as recorder,
        training_progress(asked.seeds, metric) as progress,
    ):
        estimator.fit(rows.columns, rows.train[rows.column], progress=progress, recorder=recorder)
        if path.exists():
            messages().print(f"Note: {path} is replaced.", soft_wrap=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        untested = {"test_rows": 0} if rows.test is None else {}
        estimator.save(path, source=rows.source, **untested)  # before anything else can go wrong
    try:
        if saving.requested:
            raise KeyboardInterrupt
        judged = _judged(estimator.model_, rows)
    except KeyboardInterrupt:
        messages().print(f"The model was saved to {path}; it was not tested.", soft_wrap=True)
        raise
    run = str(folder) if level != OFF and (folder / DATABASE).exists() else None  # who took it away was told
    report = TrainingReport(rows.source, estimator.model_, str(path), *judged, run=run)
    if report.evaluation is not None:
        found = report.evaluation
        estimator.save(
            path,
            source=rows.source,
            test=found.test,
            baselines=found.baselines,
            test_rows=report.test_rows,
            findings=[finding.to_json() for finding in (found.verdict, *report.findings)],
        )
    return report


@contextmanager
def _recording(folder: Path, level: str, asked: Asked, rows: Rows, replace: bool) -> Iterator[Recorder | None]:
    """Yield what records the training, if anything does."""
    from pondera.errors import RunError
    from pondera.recording.folder import remove_garbage, remove_run
    from pondera.recording.recorder import Recorder
    from pondera.recording.schedule import OFF
    from pondera.report.terminal import messages

    if replace:
        remove_garbage(folder)
    replace = not _is_unfinished(folder) or replace  # it refuses what is another program's, which nobody replaces
    if level == OFF:
        if not replace:
            raise RunError(
                f"{folder}: found an unfinished run. Go on with it with --resume {folder}, give another folder, or "
                "take it out with --replace."
            )
        if remove_run(folder):
            messages().print(f"Note: the run that was recorded in {folder} is taken out.", soft_wrap=True)
        yield None
        return
    about = {
        "arguments": asked.to_json(),
        "source": rows.source,
        "target": rows.column,
        "task": rows.task,
        "model": "model.safetensors",
    }
    with Recorder(
        folder,
        level,
        replace=replace,
        about=about,
        tell=lambda note: messages().print(note, soft_wrap=True),
        on_finding=_teller(asked.seeds),
    ) as recorder:
        yield recorder


def _is_unfinished(folder: Path) -> bool:
    """Whether there is a run in a folder that somebody may want to go on with."""
    from pondera.errors import RunError
    from pondera.recording.folder import FINISHED
    from pondera.recording.run import Run
    from pondera.recording.schema import DATABASE, INSTEAD, EmptyRunError, NoDatabaseError

    if not (folder / DATABASE).exists():
        return False
    try:
        with Run(folder) as run:
            return run.state != FINISHED
    except EmptyRunError:  # its training died before it wrote anything
        return False
    except NoDatabaseError as error:
        raise RunError(f"{folder}: found a run that cannot be read any more. {INSTEAD}") from error


def _teller(networks: int) -> OnFinding:
    """Return what prints findings while training goes on, a line each, of several networks the first of a kind."""
    from pondera.report.health import finding_line
    from pondera.report.terminal import messages

    told: set[str] = set()

    def tell(network: int, finding: Finding) -> None:
        if finding.rule not in told:
            told.add(finding.rule)
            messages().print(finding_line(finding, network if networks > 1 else None), soft_wrap=True)

    return tell


def _judged(model: Model, rows: Rows) -> tuple[int, Evaluation | None, list[Finding]]:
    """Return how many test rows there are, how the model does on them, and what else is worth knowing."""
    from pondera.model.evaluation import evaluate
    from pondera.report.progress import waiting

    if rows.test is None:
        return 0, None, _constant(model)
    with waiting("comparing with a linear model on the test rows"):
        test, column = rows.test, rows.column
        evaluation = evaluate(model, rows.columns, rows.train[column], test, test[column])
    unseen = model.inputs(rows.test)[1]
    return rows.test.height, evaluation, [*_constant(model), *unseen.findings("test row")]


def _folder(out: Path | None, stem: str) -> Path:
    """Return the folder that the model goes to, once it is sure that something can be written there."""
    import os

    folder = Path(f"{stem}-model") if out is None else out
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise ArgumentError(f"--out {folder}: expected a folder, and {existing} is a file. Give another name.")
    if not os.access(existing, os.W_OK):
        raise ArgumentError(f"--out {folder}: {existing} cannot be written to. Give another folder.")
    return folder


def _constant(model: Model) -> list[Finding]:
    from pondera.choice import listed
    from pondera.findings import Finding

    names = list(model.encoding.constant_columns)
    if not names:
        return []
    shown = listed([repr(name) for name in names])
    return [
        Finding(
            f"The same value in all training rows: {shown}. That cannot help to predict.",
            {"columns": names},
            "count of different values",
            advice=f"Leave {'it' if len(names) == 1 else 'them'} out with --drop.",
        )
    ]
