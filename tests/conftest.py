import gc
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Most of what the tests take is compiling; what one process has compiled another needs not compile again.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# In the background of a shell Ctrl-C is ignored, and would be by the processes that the tests stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None)  # a busy machine must not fail a test
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A module's ``RANDOM`` begins anew: what a test and its fixtures draw does not depend on the tests before it."""
    random = getattr(getattr(item, "module", None), "RANDOM", None)
    if random is not None:
        random.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture(scope="module", autouse=True)
def frozen():
    """What the tests of earlier modules left, mostly compiled programs, is looked through for garbage only once."""
    gc.collect()
    gc.freeze()


def need(there, otherwise):
    """Leave a test out where something is not there that only some machines have; in CI that is a failure."""
    if not there:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(otherwise)


@pytest.fixture(scope="session")
def pages():
    """The pages of the workbench and the widgets are built."""
    from pondera.widgets.view import BUNDLE
    from pondera.workbench.application import STATIC

    need((STATIC / "index.html").exists() and BUNDLE.exists(), "the pages are not built: make ui")


@pytest.fixture(scope="session")
def chromium(pages):
    """Give the browser."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    need(found, "there is no Chromium")
    return found


@pytest.fixture
def x64():
    """JAX keeps float64 during the test, and during no other."""
    import jax

    with jax.enable_x64(True):
        yield


@pytest.fixture
def slopes():
    """Give the function (f, x) -> df/dx by central differences, entry by entry, in float64."""

    def central_differences(f, x, step=1e-6):
        x = np.array(x, np.float64)
        slope = np.empty(x.shape)
        for place in np.ndindex(x.shape):
            ends = []
            for sign in (1, -1):
                moved = x.copy()
                moved[place] += sign * step
                ends.append((float(f(moved)), moved[place]))
            slope[place] = (ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1])
        return slope

    return central_differences
