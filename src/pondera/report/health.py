"""What is wrong with a training, for people."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from pondera.choice import counted, printable
from pondera.findings import Finding
from pondera.recording.health.changes import flags
from pondera.recording.health.check import Health
from pondera.recording.health.rules import RULES
from pondera.report.reading import show_finding
from pondera.report.terminal import QUIET


def finding_line(finding: Finding, network: int | None = None) -> str:
    """Return a finding on one line, for while training goes on: the step is that after which it was found.

    Examples
    --------
    >>> from pondera.findings import Finding
    >>> finding_line(Finding("The loss grows.", {"since": 800, "found": 1200}, advice="Learn slower."), 3)
    'Step 1,200 of network 3: The loss grows. Learn slower.'
    """
    of = "" if network is None else f" of network {network}"
    said = printable(f"{finding.statement} {finding.advice}".rstrip())
    return f"Step {finding.figures['found']:,}{of}: {said}"


def show_health(console: Console, health: Health) -> None:
    """Print the findings, the gravest first, and since when each is so."""
    console.print(Text.assemble((health.run, "bold"), f"  {health.state}, {counted(health.steps, 'step')}"))
    for finding in health.findings:
        show_finding(console, finding)
        if "since" in finding.figures and finding.figures["since"] != finding.figures.get("until"):
            console.print(Text(f"  since step {finding.figures['since']:,}", style=QUIET))
    options = flags(health.changes)
    if options and not health.framework:
        console.print()
        console.print(Text.assemble("All of that together: pondera train … ", (options, "bold")))
    if not health.findings:
        console.print()
        asked = len(RULES) - len(health.unasked)
        which = "No rule" if not health.unasked else f"None of the {asked} rules of {len(RULES)} that could be asked"
        console.print(Text(f"{which} found anything wrong with this training."))
    if health.unasked:
        console.print()
        console.print(Text(f"Without what they look at, not asked: {', '.join(health.unasked)}.", style=QUIET))
    if health.hint:
        console.print(Text(health.hint, style=QUIET))
