"""What the routes share: the folder, the questions that are worked on, the trainings."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from pondera.workbench.kept import Kept
from pondera.workbench.listing import Listing
from pondera.workbench.pulse import Pulses
from pondera.workbench.questions import Questions
from pondera.workbench.served import Served
from pondera.workbench.trainings import Trainings


@dataclass(frozen=True)
class Bench:
    """What the routes share.

    Attributes
    ----------
    served, listing, questions, trainings, pulses
        The folder, what is in it, commands that are run, trainings, and what is told of them as they go on.
    tables
        Questions about tables, which are small files that may hold much: their processes get a limited memory.
    kept
        What was read and may be asked for again: it is forgotten where its file changes.
    """

    served: Served
    listing: Listing
    questions: Questions
    trainings: Trainings
    pulses: Pulses
    tables: Questions
    kept: Kept

    async def ask(
        self,
        request: Request,
        command: str,
        options: Sequence[str],
        names: Sequence[str],
        about: Sequence[Path] = (),
        moving: bool = False,
        python: str | None = None,
    ) -> Any:
        """Return the answer of a command of Pondera's: 200 with it, or 202 where it is worked on.

        Parameters
        ----------
        request
            Where nobody waits for its answer any more, the command is ended.
        command
            Such as ``"read"``.
        options
            Each in one piece: ``"--step=3"``.
        names
            What is given without an option's name.
        about
            The files that the answer is about.
        moving
            Whether these change all the time, as while a training goes on.
        python
            What gives the same in Python.
        """
        asked = (command, *options, "--", *names)
        answer = await self.questions.ask(asked, about, moving, request.is_disconnected)
        if answer is None:
            return JSONResponse({"working": True}, 202)
        return {"command": command_line(command, options, names), "python": python, "answer": answer}

    async def close(self) -> None:
        """End all questions."""
        await self.questions.close()
        await self.tables.close()


class Answered(BaseModel):
    """What a command of Pondera's answered."""

    command: str = Field(description="The command line that gives the same.")
    python: str | None = Field(None, description="The call that gives the same in Python, where there is one.")
    answer: dict[str, Any] = Field(description="The JSON object that the command prints.")


class Working(BaseModel):
    """A command is still being run."""

    working: bool = Field(description="Ask the same again: the question is joined, not asked anew.")


class Problem(BaseModel):
    """What was wrong with a request."""

    error: str = Field(description="What was expected, what was found, and what to do, in a sentence.")


class Misfit(Problem):
    """What is not of the form that is described, in parts too: whoever shows a form has other names for its fields."""

    field: str = Field(description="Its name, parts joined by points.")
    expected: str = Field(description="What is expected of it.")
    got: str | None = Field(description="What was given; null where that is not one value.")


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "What was asked for cannot be done; the sentence says why."},
    403: {"model": Problem, "description": "Not from this machine, another page, or without the cookie."},
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": Misfit, "description": "The request is not of the form that is described here."},
    503: {"model": Problem, "description": "Too many event streams are open."},
}

ASKED: dict[int | str, dict[str, Any]] = {
    200: {"model": Answered},
    202: {"model": Working, "description": "The command is still being run: ask the same again."},
}


def command_line(command: str, options: Sequence[str], names: Sequence[str]) -> str:
    """Return what to type for the same, in a shell.

    Examples
    --------
    >>> command_line("weight", ["--network=0"], ["a run", "layers.0.weight[1,2]"])
    "pondera weight 'a run' 'layers.0.weight[1,2]' --network=0"
    >>> command_line("read", ["--spectrum"], ["--help.safetensors"])
    'pondera read --spectrum -- --help.safetensors'
    """
    if any(name.startswith("-") for name in names):
        return shlex.join(["pondera", command, *options, "--", *names])
    return shlex.join(["pondera", command, *names, *options])


def bench_of(request: Request) -> Bench:
    """Return what the routes of an application share."""
    bench: Bench = request.app.state.bench
    return bench


Shared = Annotated[Bench, Depends(bench_of)]
