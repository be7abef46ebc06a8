"""Draw the README's pictures: run the commands and turn what they print into SVG.

Run by ``make pictures``. What is drawn is the real output of the commands, nothing else.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pondera.tables.examples import load_example

IMAGES = Path(__file__).parent / "images"
WIDTH = 92

PICTURES = {
    "neuron": ([], ["neuron --inputs 5,2 --weights 0.7,0.3 --bias 1"]),
    "train": ([], ["train --example digits --out demo"]),
    "read": (["train --example digits --out demo"], ["read demo/model.safetensors"]),
    "weight": (["train --example wine --out wine-model --record full"], ["weight wine-model layers.1.weight[6,11]"]),
    "explain": (
        ["train diabetes.csv --target progression --seeds 5 --out demo"],
        ["explain demo/model.safetensors diabetes.csv"],
    ),
}
"""Name -> commands that come before, and commands that are shown."""


def printed(command: str, folder: str) -> str:
    """Return what a command prints on a terminal, colours included."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    line = [sys.executable, "-m", "pondera", *command.split()]
    done = subprocess.run(line, env=environment, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def draw(name: str, before: list[str], commands: list[str]) -> None:
    """Write one picture."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    with tempfile.TemporaryDirectory() as folder:
        load_example("diabetes")[0].write_csv(Path(folder, "diabetes.csv"))
        for command in before:
            printed(command, folder)
        for command in commands:
            console.print(Text(f"$ pondera {command}", style="bold"))
            console.print(Text.from_ansi(printed(command, folder).strip("\n")))
    svg = console.export_svg(title="pondera", unique_id=f"pondera-{name}")
    # The fonts that Rich names come from another server; a picture that is read offline takes the reader's own.
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    (IMAGES / f"{name}.svg").write_text(svg)


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        draw(name, *PICTURES[name])
