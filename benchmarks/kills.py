"""Kills trainings at random moments and lets them go on, which must end with the same weights, bit for bit.

Run ``python -m benchmarks.kills``. A child process trains; it is killed with SIGKILL at a moment drawn from a seed and
started again on the same run until it ends, over and over, until there were enough kills. States are written all the
time here, so that many kills hit a write. In between, last states are damaged and a disk is full.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.machine import sentence as machine_sentence
from benchmarks.measure import keep

KILLS = 200
LONGEST = 4.0  # seconds after its data are ready after which a child is killed at the latest


def child(folder: Path) -> None:
    """Train, recorded in a folder, and print a digest of all weights and figures."""
    import pondera
    from pondera.recording import recorder
    from pondera.recording.recorder import Recorder

    recorder.APART, recorder.RARELY = 0.01, 0.0
    random = np.random.default_rng(0)
    x = random.standard_normal((6000, 20)).astype(np.float32)
    y = np.tanh(x @ random.standard_normal(20)) + 0.1 * random.standard_normal(6000)
    layers = [pondera.Dense(64, "relu"), pondera.Dropout(0.1), pondera.LayerNorm(), pondera.Dense(1)]
    network = pondera.Network.create(20, layers, seed=1)
    plan = pondera.Plan(optimizer="adamw", schedule="cosine", epochs=1500, batch_size=64, patience=750)
    print("ready", flush=True)
    with Recorder(folder) as recording:
        found = pondera.fit(network, x, y, plan, validation=0.2, recorder=recording)
        digest = hashlib.sha256()
        for name, value in sorted(found.network.weights.items()):
            digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
        told = [(each.epoch, each.training_loss, each.validation_loss) for each in found.history]
        digest.update(json.dumps([told, found.best_epoch, found.reason]).encode())
        print(digest.hexdigest(), flush=True)  # before the run is finished: who is killed after that was done


def start(folder: Path) -> subprocess.Popen[str]:
    """Start a child."""
    command = [sys.executable, "-m", "benchmarks.kills", "--child", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed_until_done(folder: Path, random: np.random.Generator, figures: dict[str, Any], most: int) -> str:
    """Start children and kill them until one ends or there were enough kills, and return the digest of the last."""
    while True:
        process = start(folder)
        assert process.stdout is not None
        process.stdout.readline()
        wait = float(random.uniform(0, LONGEST)) if figures["kills"] < most else None
        try:
            out, err = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, _ = process.communicate()
            figures["kills"] += 1
            if out.strip():
                return out.split()[-1]
            figures["while_training"] += int((folder / "states").is_dir())
            figures["while_writing"] += int(any(folder.rglob("*.part")))
            if random.random() < 0.1:
                figures["damaged"] += damage(folder, random)
            continue
        if process.returncode:
            raise SystemExit(f"A child failed:\n{err}")
        if list(folder.rglob("*.part")):
            raise SystemExit(f"Unfinished files were left: {list(folder.rglob('*.part'))}")
        return out.split()[-1]


def require_whole(folder: Path) -> None:
    """Leave where steps or epochs are missing in a run."""
    from pondera.recording.run import Run

    with Run(folder) as run:
        steps, epochs = run.steps().first, [each["epoch"] for each in run.epochs()]
    if steps.tolist() != list(range(len(steps))) or epochs != list(range(len(epochs))):
        raise SystemExit(f"Steps or epochs are missing: {len(steps)} steps, {len(epochs)} epochs.")


def damage(folder: Path, random: np.random.Generator) -> int:
    """Turn a bit of the last state over, where there is one before it."""
    states = sorted((folder / "states").glob("*.safetensors"))
    if len(states) < 2:
        return 0
    data = bytearray(states[-1].read_bytes())
    data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    states[-1].write_bytes(data)
    return 1


def sentence(figures: dict[str, Any]) -> str:
    """Return what happened so far in words."""
    return (
        f"{figures['kills']} kills, {figures['while_training']} after states were written and "
        f"{figures['while_writing']} in the middle of a file; {figures['damaged']} last states damaged; "
        f"{figures['same']} of {figures['trainings']} trainings ended with the same weights and figures, bit for bit."
    )


def report(content: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    found = content["entries"]["kills"]
    return f"{sentence(found)} On a full disk {found['full_disk']}.\n\n{machine_sentence(content['machine'])}"


def full_disk(expected: str) -> str:
    """Train on a disk of 2 MB that is nearly full: what happens, in words."""
    place = Path(tempfile.mkdtemp())
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        shutil.rmtree(place)
        return "not tried: no disk could be mounted here"
    try:
        process = start(place / "run")
        out, err = process.communicate()
        whole = sorted((place / "run" / "states").glob("*.safetensors")) if (place / "run").exists() else []
        parts = list(place.rglob("*.part"))
        if process.returncode:
            return f"failed: {err.strip().splitlines()[-1]}"
        same = "the same weights" if out.split()[-1] == expected else "OTHER WEIGHTS"
        told = "a warning said so" if "Recording in" in err else "WITHOUT A WORD"
        return (
            f"training ended with {same}; {told}; {len(whole)} whole states and {len(parts)} unfinished files were left"
        )
    finally:
        subprocess.run(["umount", place], check=False)
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    """Kill, go on, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.child is not None:
        child(asked.child)
        return
    begun, random = time.perf_counter(), np.random.default_rng(asked.seed)
    counted = ("kills", "while_training", "while_writing", "damaged", "trainings", "same")
    figures: dict[str, Any] = dict.fromkeys(counted, 0)
    with tempfile.TemporaryDirectory() as folder:
        process = start(Path(folder, "whole"))
        expected = process.communicate()[0].split()[-1]
        figures["full_disk"] = full_disk(expected)
        print(figures["full_disk"], flush=True)
        while figures["kills"] < asked.kills:
            run = Path(folder, f"run{figures['trainings']}")
            digest = killed_until_done(run, random, figures, asked.kills)
            figures["trainings"] += 1
            figures["same"] += int(digest == expected)
            require_whole(run)
            seconds = time.perf_counter() - begun
            print(sentence(figures), f"{seconds:.0f} s", flush=True)
            shutil.rmtree(run)
    keep("kills", machine(("pondera", "jax")), {"kills": figures}, seed=asked.seed)
    if figures["same"] != figures["trainings"]:
        raise SystemExit("Some trainings ended with other weights.")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.getcwd())
    main()
