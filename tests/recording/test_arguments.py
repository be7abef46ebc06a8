"""What those who record a training are wrongly given is refused where it is given."""

import math

import optax
import pytest

import pondera
from pondera.errors import ArgumentError, PonderaWarning
from tests.recording import fake_torch as fake

pytestmark = pytest.mark.usefixtures("fake_torch")


def watched():
    """A module and its optimizer."""
    weight = fake.Tensor([[1.0, 2.0]])
    return fake.Linear({"weight": weight}), fake.SGD([weight], 0.5)


def test_of_an_optimizer_of_other_parameters_is_warned(tmp_path):
    (model, _), (_, other) = watched(), watched()
    with pytest.warns(PonderaWarning, match=r"SGD trains 1 parameter, none of which is one of the module's 1\."):
        pondera.watch(model, other, tmp_path / "run").close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run", ""),
        ("run", 3),
        ("run", None),
        ("budget", "x"),
        ("budget", math.nan),
        ("budget", -1),
        ("on_finding", 3),
        ("about", 3),
    ],
)
def test_wrong_arguments_are_refused_at_once(tmp_path, monkeypatch, name, value):
    monkeypatch.chdir(tmp_path)
    model, optimizer = watched()
    with pytest.raises(ArgumentError, match=f"The '{name}' parameter of pondera.watch must be "):
        pondera.watch(model, optimizer, **{"run": "run", name: value})
    with pytest.raises(ArgumentError, match=f"The '{name}' parameter of watch_updates must be "):
        pondera.recording.watch_updates(optax.sgd(0.1), **{"run": "run", name: value})
    with pytest.raises(ArgumentError, match=f"The '{name}' parameter of Recorder must be "):
        pondera.runs.Recorder(**{"folder": "run", ("folder" if name == "run" else name): value})
    assert not list(tmp_path.iterdir())
