"""Opens hostile files, one after the other, and prints what became of each as a line of JSON.

``python check.py`` takes lines of JSON from standard input: the path of a file, and whether it is a model too. It has a
process of its own, because it limits its memory and forbids itself to write, to run anything, and to read elsewhere.
"""

import contextlib
import io
import json
import os
import resource
import sys
import time
import warnings

FORBIDDEN = (
    *(f"os.{what}" for what in ("system", "exec", "fork", "posix_spawn", "spawn")),
    *(f"os.{what}" for what in ("remove", "rename", "mkdir", "link", "symlink")),
    *("subprocess.", "socket.", "pickle.", "ctypes.", "shutil.", "webbrowser."),
)
"""How the names of events begin that no reading causes (Python's table of audit events)."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MEMORY = 2 << 30  # bytes of addresses, not all of which are ever used


class Watch:
    """Notes what a reader must not do."""

    def __init__(self):
        self.folder = None
        self.commanding = False  # the command line's own library runs what it is made of
        self.seen = []
        sys.addaudithook(self.audit)

    def audit(self, event, arguments):
        if self.folder is None:
            return
        if event == "open" and isinstance(arguments[0], str):
            inside = os.path.realpath(arguments[0]).startswith(self.folder)
            wrong = bool(arguments[2] & WRITING) or not inside
        else:  # literals are parsed as "<unknown>", which runs nothing
            runs = event == "exec" or (event == "compile" and arguments[1] != "<unknown>")
            wrong = event.startswith(FORBIDDEN) or (runs and not self.commanding)
        if wrong and not self.is_importing():
            self.seen.append(f"{event} {arguments!r:.200}")

    @staticmethod
    def is_importing():
        """Whether Python is loading a module, for which it opens and runs files of its own."""
        frame = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                return True
            frame = frame.f_back
        return False


def opened(path):
    """Read everything in a file; return the sentence that refuses it, or nothing."""
    import pondera
    from pondera.errors import ModelFileError
    from pondera.reading.statistics import statistics_of

    try:
        weights = pondera.open(path)
        for tensor in [*weights.values(), *weights.optimizer.values()]:
            assert statistics_of(tensor).count == tensor.count
            assert sum(map(len, tensor.chunks())) == tensor.count
        json.dumps(dict(weights.metadata), allow_nan=False, ensure_ascii=False).encode()
    except ModelFileError as error:
        return str(error)
    return None


def loaded(path):
    """Open a file as a model of Pondera's own."""
    import pondera
    from pondera.errors import ModelFileError

    try:
        pondera.load(path)
    except ModelFileError as error:
        return str(error)
    return None


def commanded(path):
    """Run the command; return its exit code and what it printed."""
    from pondera.commands import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["read", path])
            code = 0
        except SystemExit as left:
            code = left.code or 0
    return code, out.getvalue(), err.getvalue()


def prepare(folder):
    """Import and compile what every reading needs: that is not what is measured."""
    import numpy as np

    import pondera.estimators.file  # noqa: F401
    from pondera.reading.statistics import statistics_of
    from pondera.weights.quantized.encodings import ENCODINGS, Blocks
    from pondera.weights.tensor import Tensor

    for dtype in ("f4", "f8"):
        for at in (0, 1):  # values that begin where numbers do, and elsewhere
            place = os.path.join(folder, f"{dtype}{at}.npy")
            np.save(place, np.zeros(3, dtype))
            opened(place)
    blocks = Blocks(memoryview(bytes(34)), 0, ENCODINGS["Q8_0"], 32)
    statistics_of(Tensor("w", (32,), "Q8_0", blocks))
    commanded(place)


def main():
    folder = sys.argv[1]
    prepare(folder)
    warnings.simplefilter("error")
    with open("/proc/self/statm") as file:
        addresses = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (addresses + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    watch = Watch()
    for line in sys.stdin:
        path, is_model = json.loads(line)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        watch.folder, watch.seen = os.path.realpath(os.path.dirname(path)), []
        begun = time.process_time()  # others may keep the machine busy
        sentence = opened(path)
        seconds = time.process_time() - begun
        refusal = loaded(path) if is_model else None
        watch.commanding = True
        code, out, err = commanded(path)
        watch.folder, watch.commanding = None, False
        found = {"sentence": sentence, "refusal": refusal, "code": code, "out": out, "err": err, "seconds": seconds}
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        print(json.dumps({**found, "seen": watch.seen, "memory": memory}), flush=True)


if __name__ == "__main__":
    main()
