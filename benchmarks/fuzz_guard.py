"""What a mutant must not do while it is read, and what must come of it."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pondera
from pondera.errors import ModelFileError
from pondera.reading.read import read
from pondera.reading.statistics import statistics_of
from pondera.weights.naming.assembly import layers_of

SECONDS = 5.0
"""A mutant that takes longer is a failure: it hangs."""

ADDRESSES = 2 << 30
"""Bytes of addresses that may be in use beyond those at the start; a mutant that needs more is a failure."""

VALUES = 1 << 20
"""No more values of one mutant are read."""

AT_ONCE = 1 << 16

FIGURES = 2
"""Of so many tensors of each mutant all figures are computed, as ``pondera read`` shows them."""

WHOLE = 16
"""Every so-manyth mutant that can be read is read as ``pondera read`` does: layers, units, faults."""

LONGEST = 4000
"""A sentence with more letters is a failure."""

HARMLESS = ("pondera", "numpy", "ml_dtypes", "zipfile", "encodings")
"""What may still be imported while a mutant is read; the standard library too."""

FORBIDDEN = (
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.kill",
    "os.putenv", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown",
    "subprocess.", "socket.", "ctypes.", "pickle.", "shutil.", "tempfile.", "urllib.", "webbrowser.", "ftplib.",
    "smtplib.", "pty.", "code.__new__", "function.__new__", "sys.setprofile", "sys.settrace", "sys.addaudithook",
    "sqlite3.",
)  # fmt: skip
"""How the names of events begin that no reading of a file may cause (Python's table of audit events)."""


class Hang(BaseException):
    """A mutant took too long; no reader can catch it by mistake."""


class Forbidden(BaseException):
    """A mutant made a reader do what none may do."""


class Guard:
    """Watches over the reading of mutants in this process, from when it is made until the process ends.

    Parameters
    ----------
    folder
        Where mutants lie; nothing else may be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.watching = False
        self.read = 0
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_addresses() + ADDRESSES, most))
        warnings.simplefilter("error")
        signal.signal(signal.SIGALRM, _too_long)
        sys.addaudithook(self._audit)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Limit time, and forbid what no reader does, within the block."""
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        self.watching = True
        try:
            yield
        finally:
            self.watching = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.watching and not self._allowed(event, arguments):
            self.watching = False
            raise Forbidden(f"{event} {arguments!r:.300}")

    def _allowed(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            return self._may_open(*arguments)
        if event in ("exec", "marshal.loads"):
            return _is_importing()
        if event == "import":
            top = str(arguments[0]).partition(".")[0]
            return top in HARMLESS or top in sys.stdlib_module_names
        if event == "compile":  # literals are parsed so; running them would be told as "exec"
            return str(arguments[1]) == "<unknown>" or _is_importing()
        return not event.startswith(FORBIDDEN)

    def _may_open(self, path: Any, mode: Any, flags: Any) -> bool:
        if not isinstance(path, str | bytes):
            return True
        place = os.path.realpath(os.fsdecode(path))
        written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        return not written and (place.startswith(self.folder) or _is_importing())

    def check(self, path: Path) -> str:
        """Read all that a file holds, as far as it is bounded.

        Returns
        -------
        The sentence of a file that is refused, nothing for one that can be read.

        Raises
        ------
        AssertionError
            If the sentence is none, or the weights are not what they say.
        Exception
            Whatever a reader raises that is no ModelFileError.
        """
        with self.watch():
            try:
                weights = pondera.open(path)
                _plain(dict(weights.metadata))
                self._values(weights)
                assert sum(len(layer.tensors) for layer in layers_of(weights)) == len(weights), "layers lack tensors"
                self.read += 1
                if self.read % WHOLE == 0 and weights.nbytes < VALUES and len(weights) < 100:
                    _plain(read(weights).to_json())
            except ModelFileError as error:
                said = str(error)
            else:
                return ""
        assert self.folder in said, f"names no file: {said}"
        assert len(said.splitlines()) == 1, f"more than a line: {said!r}"
        assert said.endswith((".", "?")), f"no sentence: {said}"
        assert len(said) <= LONGEST, f"too long: {said}"
        said.encode()
        return said

    def _values(self, weights: Any) -> None:
        left = VALUES
        for number, (name, tensor) in enumerate([*weights.items(), *weights.optimizer.items()]):
            _plain([name, tensor.name, tensor.shape, tensor.dtype, tensor.count, tensor.nbytes])
            for part in tensor.chunks(AT_ONCE):
                assert part.ndim == 1, f"{name} comes in the shape {part.shape}"
                assert len(part) == min(AT_ONCE, tensor.count), f"{name} has {len(part)} values of {tensor.count}"
                left -= len(part)
                break  # the first stretch, and the last
            if tensor.count > AT_ONCE and left > 0:
                assert len(tensor.source.flat(tensor.count - 9, tensor.count)) == 9
            if number < FIGURES and tensor.count <= AT_ONCE and not tensor.dtype.startswith("complex"):
                assert statistics_of(tensor, threads=1).count == tensor.count
            if left <= 0 or number > 1000:
                break


def _plain(value: Any) -> None:
    """Make sure that a value can be written as JSON."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def _too_long(*_: object) -> None:
    raise Hang(f"longer than {SECONDS:g} s")


def _addresses() -> int:
    """Return the bytes of addresses that this process uses."""
    pages = Path("/proc/self/statm").read_text().split()[0]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _is_importing() -> bool:
    """Whether Python is loading a module: which one was asked before."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
