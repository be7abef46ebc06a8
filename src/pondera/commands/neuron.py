"""``pondera neuron``: one neuron's arithmetic."""

from __future__ import annotations

from typing import Annotated

import typer

from pondera.commands.options import any_number


def neuron(
    inputs: Annotated[str, typer.Option(help="The inputs, separated by commas.")],
    weights: Annotated[str, typer.Option(help="One weight for each input, separated by commas.")],
    bias: Annotated[float, typer.Option(parser=any_number, metavar="B", help="Added to the weighted sum.")] = 0.0,
    activation: Annotated[
        str, typer.Option(help="What is made of the sum: identity, relu, tanh, sigmoid, …")
    ] = "identity",
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Show how one neuron comes to its output: every input times its weight, plus the bias."""
    from pondera.commands.options import numbers
    from pondera.network.neuron import Neuron
    from pondera.report.neuron import show_neuron
    from pondera.report.terminal import print_json, results

    explanation = Neuron(numbers(weights, "--weights"), bias, activation).explain(numbers(inputs, "--inputs"))
    if json:
        print_json(explanation.to_json())
    else:
        show_neuron(results(), explanation)
