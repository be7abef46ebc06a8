"""``pondera explain``: which columns matter to a model, and how far that can be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pondera.commands.options import names as names_of
from pondera.commands.options import whole_number
from pondera.commands.places import weight_place
from pondera.commands.training import one_table, rows_of_model

if TYPE_CHECKING:
    from pondera.explaining.question import Question
    from pondera.model.model import Model

FEW = 20  # rows that others are compared with

NEEDLESS = {
    "--row": ("--methods", "--retrain", "--baseline", "--html", "--network"),
    "--weight": ("--methods", "--retrain", "--baseline", "--html", "--class", "--background", "--seed"),
    "--connections": ("--methods", "--retrain", "--baseline", "--html", "--class", "--background"),
    None: ("--network",),
}
"""What is explained, None for the whole -> options that would change nothing in it."""


def explain(
    model: Annotated[Path, typer.Argument(help="A model.safetensors that pondera train wrote.")],
    table: Annotated[
        Path | None, typer.Argument(help="A CSV, TSV, Parquet or Arrow file; best with the target's column.")
    ] = None,
    example: Annotated[
        str | None, typer.Option(help="Instead of a table: breast_cancer, digits, wine, iris or diabetes.")
    ] = None,
    row: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="Explain one row only, numbered from 0.")
    ] = None,
    weight: Annotated[
        str | None, typer.Option(help="Explain one weight only, such as 'layers.1.weight[3,7]'.", metavar="NAME[I,J]")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods, separated by commas.", show_default="all that can be used")
    ] = None,
    connections: Annotated[
        bool,
        typer.Option("--connections", metavar="", help="Explain connections and units: what the error does without."),
    ] = False,
    network: Annotated[
        int | None,
        typer.Option(
            parser=whole_number, metavar="N", help="Which network, with --weight and --connections.", show_default="0"
        ),
    ] = None,
    target_class: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="The class whose score is explained.",
            metavar="NAME",
            show_default="the second of two, else the predicted one",
        ),
    ] = None,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            metavar="",
            help="Train anew too: without columns, and on answers that mean nothing. Slow.",
        ),
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Where integrated gradients begin: mean, zeros or rows.", metavar="WHERE", show_default="mean"
        ),
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(help="A table of usual rows, which others are compared with.", show_default="the rows themselves"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="S", help="Drives everything random.", show_default="0"),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with charts.", metavar="FILE")] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Say which columns matter to a model, how they act, and how far that can be believed."""
    from pondera.choice import unknown
    from pondera.errors import ArgumentError
    from pondera.explaining.connections import connections_of
    from pondera.explaining.explain import explain as explain_question
    from pondera.explaining.question import BASELINES
    from pondera.explaining.row import explain_row
    from pondera.model.file import load
    from pondera.report.connections import show_connections, show_weight
    from pondera.report.explanation import show_explanation, show_row
    from pondera.report.page import check_page
    from pondera.report.progress import steps_progress
    from pondera.report.terminal import print_json, results

    one_table(table, example)
    _check_together(
        {"--row": row is not None, "--weight": weight is not None, "--connections": connections},
        {
            "--methods": methods is not None,
            "--retrain": retrain,
            "--baseline": baseline is not None,
            "--html": html is not None,
            "--network": network is not None,
            "--class": target_class is not None,
            "--background": background is not None,
            "--seed": seed is not None,
        },
    )
    named = None if methods is None else names_of(methods)
    if baseline is not None and named is not None and "integrated_gradients" not in named:
        raise ArgumentError(
            "--baseline is where integrated_gradients begin, which --methods does not name. Leave it out."
        )
    baseline, seed = baseline or BASELINES[0], seed or 0
    if baseline not in BASELINES:
        raise ArgumentError(unknown("baseline", baseline, BASELINES))
    if seed < 0:
        raise ArgumentError(f"--seed takes a whole number from 0 up. Got {seed}.")
    if html is not None:
        check_page(html, model, *([] if table is None else [table]))
    loaded, _ = load(model)
    usual = None if background is None else rows_of_model(loaded, background, None)
    asked = {"seed": seed, "retrain": retrain, "baseline": baseline, "target_class": target_class, "background": usual}
    question = _question(loaded, table, example, "--weight" if weight is not None else None, **asked)
    source = table.name if table is not None else str(example)
    found: Any
    shown: Callable[..., None]
    if row is not None:
        found, shown = explain_row(question, row, seed=seed), show_row
    elif weight is not None:
        found, shown = _weight(question, weight, network), show_weight
    elif connections:
        names = [each.name for each in loaded.encoding.inputs]
        found, shown = connections_of(question, network=network or 0, names=names, seed=seed), show_connections
    else:
        with steps_progress() as progress:
            found = explain_question(question, named, seed=seed, progress=progress)
        shown = partial(show_explanation, source=source)
    if html is not None:
        _write_page(html, found, source)
    if json:
        print_json(found.to_json())
    else:
        shown(results(), found)


def _check_together(explained: Mapping[str, bool], given: Mapping[str, bool]) -> None:
    """Refuse two things to explain at once, and options that would have no effect.

    Raises
    ------
    ArgumentError
        Naming the options.
    """
    from pondera.errors import ArgumentError

    chosen = [option for option, there in explained.items() if there]
    if len(chosen) > 1:
        raise ArgumentError(f"Give one of them: {' or '.join(chosen)}.")
    needless = [option for option in NEEDLESS[chosen[0] if chosen else None] if given[option]]
    if needless and chosen:
        raise ArgumentError(f"{', '.join(needless)} would change nothing beside {chosen[0]}. Leave it out.")
    if needless:
        raise ArgumentError("--network chooses whose weights --weight or --connections are about. Leave it out.")


def _question(loaded: Model, table: Path | None, example: str | None, needing: str | None, **asked: Any) -> Question:
    """Return what is asked, and say what in the table training had not seen.

    ``needing`` is the option that cannot do without the right answers.

    Raises
    ------
    ArgumentError
        If it is given, and the table has none.
    """
    from pondera.choice import listed
    from pondera.errors import ArgumentError
    from pondera.explaining.ask import question_of
    from pondera.report.terminal import messages, print_notes
    from pondera.tables.parts import row_number
    from pondera.tables.read import place_of_row

    rows = rows_of_model(loaded, table, example)
    answers = rows[loaded.target_name] if loaded.target_name in rows.columns else None
    if answers is None and needing is not None:
        raise ArgumentError(
            f"{needing} needs the right answers: expected the target's column, '{loaded.target_name}', and the table "
            "has none of that name. Give one that has it."
        )
    where = row_number if table is None else partial(place_of_row, table)
    question, unseen = question_of(loaded, rows, answers, where=where, **asked)
    print_notes(unseen.findings())
    known = {each.name for each in loaded.encoding.columns} | {loaded.target_name}
    others = [name for name in rows.columns if name not in known]
    if others:
        messages().print(
            f"Note: columns that the model does not know are left alone: {listed(others)}.", soft_wrap=True
        )
    if answers is None:
        messages().print(
            f"Note: the table has no column '{loaded.target_name}'; methods that need the right answers are left out.",
            soft_wrap=True,
        )
    if len(question.background) < FEW:
        messages().print(
            f"Note: rows are compared with {len(question.background)} only. Give --background, a table of usual rows.",
            soft_wrap=True,
        )
    return question


def _weight(question: Question, text: str, network: int | None) -> Any:
    from pondera.errors import ArgumentError
    from pondera.explaining.weight import weight_of

    part, name, index = weight_place(text, "--weight")
    if part is not None and network not in (None, part):
        raise ArgumentError(f"--weight names network {part}, and --network {network}. Leave one of them out.")
    return weight_of(question, name, index, network=int(part or network or 0))


def _write_page(path: Path, found: Any, name: str) -> None:
    from pondera.report.explanation_page import explanation_page
    from pondera.report.page import write_page
    from pondera.report.terminal import messages

    write_page(path, explanation_page(found, name))
    messages().print(f"The page is {path}.", soft_wrap=True)
