"""The bin: runs that were deleted lie in a folder of the workbench's own, and can be put back."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from pondera.errors import ArgumentError
from pondera.recording.schema import DATABASE
from pondera.workbench.served import BIN, LONGEST, OWN, Served, free

LABEL = "deleted.json"
"""Beside the database of a run in the bin: what it was called."""


def put(served: Served, run: str) -> Path:
    """Move a run into the bin, and return where it lies there.

    Raises
    ------
    ArgumentError
        If it is no folder of a run.
    OSError
        If it cannot be moved, or the bin is a link.
    """
    folder = served.existing(run)
    if folder == served.root or not (folder / DATABASE).is_file():
        raise ArgumentError(f"{run!r} is no folder of a run. Give the name of one.")
    short = run.replace("/", "--").encode()[:LONGEST].decode(errors="ignore")
    place = _unused(served.root / OWN / BIN / f"{time.strftime('%Y%m%d-%H%M%S')}-{short}")
    served.move(folder, place)
    served.write_own(json.dumps({"run": run, "deleted": time.time()}).encode(), BIN, place.name, LABEL)
    return place


def listed(served: Served) -> list[dict[str, Any]]:
    """Return what is in the bin, the latest first: ``name`` there, the ``run`` it was, when it was ``deleted``."""
    places = (served.root / OWN / BIN / name for name in served.own_names(BIN))
    found = [_label(served, each) for each in places if not each.is_symlink() and (each / DATABASE).is_file()]
    return sorted(found, key=lambda each: (-float(each["deleted"]), str(each["name"])))


def restore(served: Served, name: str) -> str:
    """Move a run back to where it was, or beside what is there now, and return what it is called.

    Raises
    ------
    ArgumentError
        If nothing of that name is in the bin.
    """
    known = {each["name"]: each for each in listed(served)}
    if name not in known:
        raise ArgumentError(f"{name!r} is not in the bin. Reload the page to see what is.")
    wanted = served.path(known[name]["run"])
    if wanted == served.root:
        raise ArgumentError(f"What {name!r} was called is not known. Move it out of {OWN}/bin by hand.")
    place = _unused(wanted)
    served.move(served.root / OWN / BIN / name, place)
    (place / LABEL).unlink(missing_ok=True)
    return served.name(place)


def _label(served: Served, place: Path) -> dict[str, Any]:
    """Return what is known of a run in the bin; of one without a label by the name of its folder."""
    try:
        told = json.loads(served.read_own(BIN, place.name, LABEL) or b"")
        run, deleted = told["run"], told["deleted"]
        if not isinstance(run, str) or not isinstance(deleted, int | float) or not math.isfinite(deleted):
            raise TypeError
        run.encode()  # halves of letters can be written in JSON, and nowhere else
        return {"name": place.name, "run": run, "deleted": float(deleted)}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        run = place.name.split("-", 2)[-1].replace("--", "/")
        return {"name": place.name, "run": run, "deleted": place.stat().st_mtime}


def _unused(place: Path) -> Path:
    """Return a place that nothing is at: that, or one of the next number."""
    return next(each for each in free(place) if not each.exists() and not each.is_symlink())
