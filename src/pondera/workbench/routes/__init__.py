"""The HTTP interface, a file a subject. :data:`ROUTERS` is the list that serves it and describes it."""

from __future__ import annotations

from pondera.workbench.routes import answers, bins, checkpoints, events, explanations, files, matrices, runs, trainings

ROUTERS = (
    files.router,
    trainings.router,
    runs.router,
    answers.router,
    events.router,
    bins.router,
    checkpoints.router,
    matrices.router,
    explanations.router,
)
