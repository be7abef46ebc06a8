"""Trains a run of ``pondera train`` again with what is advised of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pondera.commands.fitting import fit_into
from pondera.commands.training import Asked
from pondera.errors import ArgumentError

if TYPE_CHECKING:
    from pondera.report.fixing import Fixed


def fix(run: Path, out: Path | None) -> Fixed:
    """Train a run again with what its findings advise, on the same rows, into another folder.

    Parameters
    ----------
    run
        The folder of a run of ``pondera train``.
    out
        Folder of the new one; None for ``RUN-fixed`` beside it.

    Raises
    ------
    ArgumentError
        If it is no run of ``pondera train``, has no model yet, its rows are others now, or the new folder is in use.
    """
    from pondera.commands.recorded import model_of, recorded
    from pondera.recording import runs
    from pondera.recording.health.changes import FLAGS, improved
    from pondera.recording.health.check import check
    from pondera.recording.overview import overview
    from pondera.report.fixing import Fixed

    before = check(run)
    with runs.open(run) as opened:
        model, level = model_of(recorded(opened, None)), str(opened.about["level"])
        asked, changes = dict(opened.about["arguments"]), before.changes
    scores = [dict(model.record.get("notes", {}).get("test") or {})]
    applied = {name: value for name, value in changes.items() if name in FLAGS and asked.get(name) != value}
    left = {name: value for name, value in changes.items() if name not in FLAGS}
    if not applied:
        return Fixed(before, None, {}, left, (overview(run),), tuple(scores))
    folder = _folder(run, out)
    better = {name: value for name, value in improved(asked, before.findings).items() if name in asked}
    report = fit_into(Asked.from_json(better), folder, level)
    scores.append({} if report.evaluation is None else dict(report.evaluation.test))
    return Fixed(before, check(folder), applied, left, (overview(run), overview(folder)), tuple(scores))


def _folder(run: Path, out: Path | None) -> Path:
    """Return the folder of the new run, once it is sure that nothing is lost there."""
    place = run.resolve() if run.name in ("", "..") else run
    folder = place.with_name(f"{place.name}-fixed") if out is None else out
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArgumentError(f"--fix trains into {folder}, which is in use. Name another folder with --out.")
    return folder
