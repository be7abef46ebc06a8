"""Runs of several networks that were interrupted, made of whole ones."""

import json
import sqlite3
from contextlib import closing


def cut_off(run, seeds, state="interrupted"):
    """Have a run say that so many networks were planned, and that the second of those that began finished no epoch."""
    cut = {"reason": "interrupted", "message": "Training was interrupted in epoch 1.", "cause": ""}
    told = {"arguments": {"seeds": seeds}, "state": state, "ended.1": cut}
    with closing(sqlite3.connect(run / "run.sqlite")) as database, database:
        (found,) = database.execute("SELECT value FROM about WHERE name = 'arguments'").fetchone() or ("{}",)
        told["arguments"] = json.loads(found) | told["arguments"]
        rows = [(name, json.dumps(value)) for name, value in told.items()]
        database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", rows)
        database.execute("DELETE FROM epochs WHERE part = 1")
