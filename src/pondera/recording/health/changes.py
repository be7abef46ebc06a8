"""What findings advise, as one set of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pondera.findings import Finding
from pondera.recording.health.rule import POSSIBLY, is_seldom_wrong

OF_ONE_RATE = ("epochs", "batch_size")
"""Settings that are judged at one learning rate, and would be others at another."""


def merged(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the changes that findings advise, by setting; of two for one setting, that of the graver finding.

    What a rule finds that is often wrong changes nothing; one that only misses some is right when it speaks. How noisy
    steps are and when to stop is of one learning rate: where another is advised, neither is changed, nor is what may
    only have come of it.

    Parameters
    ----------
    findings
        The gravest first, as :func:`~pondera.recording.health.rules.findings_of` has them.

    Examples
    --------
    >>> high = Finding("It diverges.", {"change": {"learning_rate": 0.001}})
    >>> noisy = Finding("It is noisy.", {"change": {"batch_size": 64}})
    >>> merged([high, noisy])
    {'learning_rate': 0.001}
    >>> merged([noisy])
    {'batch_size': 64}
    >>> merged([high, Finding("Overfitting.", {"change": {"epochs": 2}})])
    {'learning_rate': 0.001}
    """
    changes: dict[str, Any] = {}
    for finding in sorted(findings, key=lambda each: "until" in each.figures):  # what is so now counts first
        name = finding.rule.removeprefix(POSSIBLY)
        if name == finding.rule or (is_seldom_wrong(name) and "learning_rate" not in changes):
            changes |= {name: value for name, value in finding.figures.get("change", {}).items() if name not in changes}
    if "learning_rate" in changes:
        changes = {name: value for name, value in changes.items() if name not in OF_ONE_RATE}
    return changes


FLAGS = ("recipe", "activation", "epochs", "batch_size", "learning_rate")
"""Settings that are options of ``pondera train``, too; the others are arguments in Python."""


def flags(changes: Mapping[str, Any]) -> str:
    """Return changes as options of ``pondera train``, those that there are.

    >>> flags({"learning_rate": 0.001, "gradient_clip": 1.0, "batch_size": 64})
    '--batch-size 64 --learning-rate 0.001'
    """
    return " ".join(f"--{name.replace('_', '-')} {changes[name]}" for name in FLAGS if name in changes)


def improved(settings: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, Any]:
    """Return settings with what findings advise put in: what a training is started again with.

    >>> improved({"learning_rate": 0.1, "epochs": 9}, [Finding("It diverges.", {"change": {"learning_rate": 0.001}})])
    {'learning_rate': 0.001, 'epochs': 9}
    """
    return {**settings, **merged(findings)}
