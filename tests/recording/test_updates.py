"""Any loop of JAX, watched through its optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pondera.errors import ArgumentError, PonderaWarning, RunError
from pondera.recording.overview import overview
from pondera.recording.run import Run
from pondera.recording.updates import watch_updates

X = np.random.default_rng(0).standard_normal((40, 3))
Y = X @ [1.0, -2.0, 0.5]


def loss(weights, x, y):
    return jnp.mean((x @ weights["layer"]["w"] + weights["layer"]["b"] - y) ** 2)


def trained(optimizer, steps, compiled):
    """Train and give the weights before each step, and after the last."""
    weights = {"layer": {"w": jnp.zeros(3), "b": jnp.zeros(())}}
    state = optimizer.init(weights)

    def step(weights, state):
        value, gradients = jax.value_and_grad(loss)(weights, X, Y)
        updates, state = optimizer.update(gradients, state, weights, value=value)
        return optax.apply_updates(weights, updates), state, value

    step = jax.jit(step) if compiled else step
    kept, values = [weights], []
    for _ in range(steps):
        weights, state, value = step(weights, state)
        kept.append(weights)
        values.append(float(value))
    return kept, values


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_recorded_is_what_happened(tmp_path, compiled):
    with watch_updates(optax.adam(0.1), tmp_path, "full") as optimizer:
        kept, values = trained(optimizer, 12, compiled)
    plain, _ = trained(optax.with_extra_args_support(optax.adam(0.1)), 12, compiled)
    np.testing.assert_array_equal(kept[-1]["layer"]["w"], plain[-1]["layer"]["w"])
    with Run(tmp_path) as run:
        assert run.state == "finished"
        assert run.tensors() == {"layer.b": (), "layer.w": (3,)}
        assert run.steps().losses == pytest.approx(values, rel=1e-6)
        for index in range(3):
            life = run.weight("layer.w", (index,))
            np.testing.assert_allclose(life.values, [float(each["layer"]["w"][index]) for each in kept], rtol=1e-6)
        assert run.weight("layer.b", ()).kept == 12


def test_steps_inside_a_loop_that_is_compiled(tmp_path):
    with watch_updates(optax.sgd(0.1), tmp_path, "full") as optimizer:
        weights = {"w": jnp.ones(2)}
        state = optimizer.init(weights)

        def step(_, carry):
            weights, state = carry
            updates, state = optimizer.update({"w": jnp.ones(2)}, state, weights)
            return optax.apply_updates(weights, updates), state

        jax.block_until_ready(jax.jit(lambda carry: jax.lax.fori_loop(0, 6, step, carry))((weights, state)))
    with Run(tmp_path) as run:
        found = run.weight("w", (0,))
        assert found.steps.tolist() == list(range(7))
        assert found.values == pytest.approx(1 - 0.1 * np.arange(7), rel=1e-6)


@pytest.mark.parametrize("told", [True, False])
def test_the_end_is_known_where_it_is_told(tmp_path, told):
    with watch_updates(optax.adam(0.01), tmp_path) as optimizer:
        weights = {"layer": {"w": jnp.zeros(3), "b": jnp.zeros(())}}
        state = optimizer.init(weights)

        @jax.jit
        def step(weights, state):
            updates, state = optimizer.update(jax.grad(loss)(weights, X, Y), state, weights)
            return optax.apply_updates(weights, updates), state

        for _ in range(1000):
            weights, state = step(weights, state)
            if told:
                optimizer.end(weights, state)  # as at the end of every epoch
    found = overview(tmp_path)
    with Run(tmp_path) as run:
        life = run.weight("layer.w", (0,))
        if told:
            assert (found.ended, run.taken, life.kept) == ("", 1000, 1000)
            assert life.values[-1] == float(weights["layer"]["w"][0])
            assert list(run.snapshots())[-1] == 1000
        else:
            assert run.taken < 1000
            assert found.ended.startswith(f"What came after step {run.taken:,} was not told")


def test_an_end_before_steps_that_were_seen_ends_the_recording_only(tmp_path):
    optimizer = watch_updates(optax.sgd(0.1), tmp_path, "full")
    weights = {"w": jnp.ones(2)}
    early = state = optimizer.init(weights)
    for _ in range(3):
        _, state = optimizer.update(weights, state, weights)
    with pytest.warns(PonderaWarning, match="the end is after 0 steps, and 3 were seen"):
        optimizer.end(weights, early)


def test_what_cannot_be_watched_is_said(tmp_path):
    with pytest.raises(ArgumentError, match="takes an optimizer of Optax"):
        watch_updates("adam", tmp_path / "a")
    with watch_updates(optax.sgd(0.1), tmp_path / "b") as optimizer:
        state = optimizer.init({"w": jnp.ones(2)})
        with pytest.raises(ArgumentError, match="is given the weights"):
            optimizer.update({"w": jnp.ones(2)}, state)
    with pytest.raises(RunError, match="found a run"):
        watch_updates(optax.sgd(0.1), tmp_path / "b")
    watch_updates(optax.sgd(0.1), tmp_path / "b", replace=True).close()


def test_learning_rates_that_the_state_holds_are_told(tmp_path):
    rates = optax.linear_schedule(1.0, 0.0, 10)
    with watch_updates(optax.inject_hyperparams(optax.sgd)(rates), tmp_path, "full") as optimizer:
        trained(optimizer, 5, True)
    with Run(tmp_path) as run:
        assert run.steps().rates == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6])
        norms = run.steps().norms
        whole = sum(run.tensor(name).figures[3].gradient_squares for name in run.tensors())
        assert norms[3] == pytest.approx(whole**0.5, rel=1e-6)


def test_half_precision_is_widened(tmp_path):
    with watch_updates(optax.sgd(0.5), tmp_path, "full") as optimizer:
        weights = {"w": jnp.ones(2, jnp.bfloat16)}
        state = optimizer.init(weights)
        for _ in range(3):
            updates, state = optimizer.update({"w": jnp.ones(2, jnp.bfloat16)}, state, weights)
            weights = optax.apply_updates(weights, updates)
    with Run(tmp_path) as run:
        assert run.weight("w", (1,)).values.tolist() == [1, 0.5, 0, -0.5]
        assert run.tensor("w").dtype == "float32"


def test_one_training_to_an_optimizer(tmp_path):
    optimizer = watch_updates(optax.sgd(0.1), tmp_path, "full")
    trained(optimizer, 3, True)
    jax.effects_barrier()
    with pytest.warns(PonderaWarning, match="step 0 came again"):
        trained(optimizer, 3, False)  # it goes on without its record
    with Run(tmp_path) as run:
        assert (run.state, run.taken) == ("unfinished", 3)


def complex_step(folder):
    with watch_updates(optax.sgd(0.1), folder) as optimizer:
        weights = {"w": jnp.ones(2, jnp.complex64)}
        state = optimizer.init(weights)
        updates, state = optimizer.update(weights, state, weights)
        return optax.apply_updates(weights, updates)


def test_complex_numbers_end_the_recording_in_a_sentence(tmp_path):
    with pytest.warns(PonderaWarning, match="weights are complex numbers, and a run holds real ones"):
        weights = complex_step(tmp_path)
    np.testing.assert_allclose(weights["w"], 0.9)
