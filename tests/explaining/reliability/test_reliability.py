import dataclasses

import numpy as np
import pytest

from pondera.explaining.explain import explain
from pondera.explaining.method import Measured, Method
from pondera.explaining.methods import METHODS
from pondera.explaining.question import Input, Question
from pondera.explaining.ranks import rank_correlation
from pondera.explaining.reliability.faithfulness import faithfulness
from pondera.explaining.reliability.groups import groups_of
from pondera.explaining.reliability.sanity import sanity, shuffled
from pondera.explaining.reliability.seeds import seed_stability
from pondera.explaining.reliability.weights import chance, rescaled, weights_as_importance
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network

RANDOM = np.random.default_rng(0)


def variance(question, subject, random):
    """A method that never looks at the network: how much each input varies."""
    return Measured(question.fold(question.x.var(axis=0)), np.zeros(len(question.inputs)))


BLIND = Method("variance", "variance", "importance", variance, "Blind.", "planted")


def test_a_method_that_does_not_look_at_the_network_is_found(ask, bent, rows):
    question = ask(bent, rows * np.array([1.0, 2.0, 3.0, 4.0]))
    assert not sanity(BLIND, question, question.subjects[0]).sees_network


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("linear", "leave_out")])
def test_methods_of_the_list_look_at_it(name, ask, bent, rows):
    question = ask(bent, rows)
    assert sanity(METHODS[name], question, question.subjects[0]).sees_network


def test_randomized_weights_are_the_same_values_in_another_order(bent):
    other = Subject.of_network(bent).changed(shuffled(1)).network
    for name, value in bent.weights.items():
        assert sorted(np.abs(other.weights[name]).ravel()) == sorted(np.abs(value).ravel())
    assert (other.weights["layers.1.weight"] != bent.weights["layers.1.weight"]).mean() > 0.9


def test_seeds_that_agree_give_narrow_intervals():
    close = np.array([[3.0, 2.0, 1.0], [3.1, 2.1, 0.9], [2.9, 1.9, 1.1]])
    found = seed_stability(close, np.zeros((3, 3)))
    assert found.rank_ranges() == [(1, 1), (2, 2), (3, 3)]
    assert found.correlation == 1.0
    wide = seed_stability(close, np.full((3, 3), 1.0))
    assert wide.rank_ranges() == [(1, 3), (1, 3), (1, 3)]


def test_one_network_has_an_interval_of_sampling_alone():
    found = seed_stability(np.array([[2.0, 1.0]]), np.array([[0.1, 0.1]]))
    np.testing.assert_allclose(found.high - found.mean, 1.96 * 0.1, rtol=1e-3)
    assert found.correlation is None


def test_intervals_cover_the_mean_of_all_starts():
    hits = 0
    for k in range(400):
        random = np.random.default_rng(k)
        values = 1 + random.normal(size=(5, 2)) * 0.3
        found = seed_stability(values, np.zeros((5, 2)))
        hits += int(((found.low < 1) & (found.high > 1)).sum())
    assert 0.92 < hits / 800 < 0.98


def test_groups_are_found_by_what_they_tell():
    a, b, c, d = RANDOM.normal(size=(4, 600))
    x = np.stack([a, b, a**3, b + c, c, d, a + 0.01 * d], axis=1)
    question = Question.of_arrays(Subject(lambda x: x), x)
    found = groups_of(question)
    assert found.of(0) == (0, 2, 6)  # a bent copy, and one with little noise
    assert found.of(3) == (3,)  # a sum, which no other tells alone: no group, but told by both together
    assert found.told_by == {1: (3, 4), 3: (1, 4), 4: (1, 3)}
    assert found.of(5) == (5,)
    assert found.units == ((0, 2, 6), (1,), (3,), (4,), (5,))


def test_a_chain_of_neighbours_is_no_group():
    """Each tells the next, and the first nothing of the last."""
    steps = np.random.default_rng(0).normal(size=(1000, 16))
    x = np.stack([steps[:, k : k + 8].sum(axis=1) for k in range(8)], axis=1)
    x += 0.01 * np.random.default_rng(1).normal(size=x.shape)
    found = groups_of(Question.of_arrays(Subject(lambda x: x), x))
    assert np.corrcoef(x.T)[0, 7] < 0.25
    assert all(found.pairs[i, j] >= 0.8 for group in found.groups for i in group for j in group)
    assert max(len(group) for group in found.groups) < 4


@pytest.mark.parametrize(("rho", "grouped"), [(0.5, False), (0.9, True), (0.99, True)])
def test_groups_by_correlation(rho, grouped):
    a, b = RANDOM.normal(size=(2, 2000))
    x = np.stack([a, rho * a + np.sqrt(1 - rho * rho) * b], axis=1)
    assert bool(groups_of(Question.of_arrays(Subject(lambda x: x), x)).groups) is grouped


def test_constant_columns_are_in_no_group():
    x = np.stack([np.ones(50), RANDOM.normal(size=50), np.ones(50)], axis=1)
    assert groups_of(Question.of_arrays(Subject(lambda x: x), x)).groups == ()


def test_the_right_order_is_faithful_and_the_wrong_one_is_not(ask):
    x = RANDOM.normal(size=(400, 6))
    network = Network.create(6, [Dense(1)], dtype="float64")
    network = network.with_weights({"layers.0.weight": np.array([[5.0], [3.0], [2.0], [1.0], [0.0], [0.0]])})
    question = ask(network, x)
    right = np.array([5.0, 3.0, 2.0, 1.0, 0.0, 0.0])
    assert faithfulness(question, question.subjects[0], right).advantage > 1
    assert faithfulness(question, question.subjects[0], -right).advantage < -1


def test_deletion_begins_with_nothing_and_ends_with_everything(ask, bent, rows):
    question = ask(bent, rows)
    found = faithfulness(question, question.subjects[0], np.arange(4.0))
    assert found.counts.tolist() == [0, 1, 2, 3, 4]
    assert found.deletion[0] == 0
    assert found.insertion[-1] == 0
    assert found.deletion[-1] > 0


NAMES = ["age", "income", "height", "weight"]


def test_weights_that_order_inputs_as_influence_does_may_be_read():
    values = np.tile([4.0, 3.0, 2.0, 1.0], (3, 1))
    found = weights_as_importance(NAMES, values, values * 2, values * 0.001, np.ones(4, bool))
    assert (found.verdict, found.rank_correlation) == ("yes", 1.0)
    assert "you may read them so" in found.statement


def test_the_strongest_input_without_influence_is_named():
    strengths, importances = np.array([[1.0, 9.0, 2.0, 3.0]]), np.array([[3.0, 0.0, 2.0, 1.0]])
    influential = np.array([True, False, True, True])
    found = weights_as_importance(
        NAMES, strengths, importances, importances * 0, influential, influential, ["Because."]
    )
    assert found.verdict == "no"
    assert "'income' has the strongest connections and no measurable influence" in found.statement
    assert found.reasons == ("Because.",)


def test_rescaled_networks_are_the_same_function(bent, rows):
    other = rescaled(bent, 0)
    np.testing.assert_allclose(other(rows), bent(rows), rtol=1e-9)
    assert rescaled(Network.create(2, [Dense(3, "tanh"), Dense(1)]), 0) is None


def sum_of_sizes():
    """Σ s |x| of six inputs, s from 6 down to 1: each feeds two units of its own, so weights order them rightly."""
    network = Network.create(6, [Dense(12, "relu"), Dense(1)], dtype="float64")
    first = np.zeros((6, 12))
    for k in range(6):
        first[k, 2 * k : 2 * k + 2] = np.array([1, -1]) * (6.0 - k)
    return network.with_weights({"layers.0.weight": first, "layers.1.weight": np.ones((12, 1))})


def verdicts(network, x, y):
    found = explain(Question.of_arrays(Subject.of_network(network), x, y), ["first_layer", "permutation"])
    return found.weights, found.results["permutation"].values[0]


def test_the_verdict_notices_that_the_same_function_is_written_with_other_weights():
    x = np.random.default_rng(0).normal(size=(500, 6))
    network = sum_of_sizes()
    y = network(x)[:, 0]
    before, importances = verdicts(network, x, y)
    assert before.verdict == "yes"

    factors = np.array([1e3, 1.0, 1.0, 1.0, 1.0, 1e-3])  # of inputs, taken back in their weights
    weight = np.array(network.weights["layers.0.weight"]) / factors[:, None]
    scaled, after = verdicts(network.with_weights({"layers.0.weight": weight}), x * factors, y)
    np.testing.assert_allclose(after, importances, rtol=1e-5)
    assert scaled.verdict == "no"
    assert any("'x5' varies little" in reason for reason in scaled.reasons)

    other = rescaled(network, seed=0)  # of units, taken back in what leaves them
    units, after = verdicts(other, x, y)
    np.testing.assert_allclose(after, importances, rtol=1e-5)
    assert units.verdict != "yes"
    assert any("Units can be scaled up" in reason for reason in units.reasons)


def test_inputs_that_matter_equally_are_not_ranked():
    x = np.random.default_rng(0).normal(size=(800, 4))
    networks = [
        Network.create(4, [Dense(1)], seed=seed, dtype="float64").with_weights({"layers.0.weight": np.ones((4, 1))})
        for seed in range(3)
    ]
    found = explain(Question.of_arrays([Subject.of_network(each) for each in networks], x, x.sum(axis=1)))
    assert found.reliability.verdict == "reliable"
    assert "they matter equally" in found.reliability.statement


def test_values_missing_in_the_same_rows_tell_nothing():
    """A number and whether it is missing are one column; two columns miss theirs in the same three of 500 rows."""
    random = np.random.default_rng(0)
    missing = np.arange(500) < 3
    x = np.stack([random.normal(size=500), missing, random.normal(size=500), missing], axis=1).astype(float)
    question = dataclasses.replace(
        Question.of_arrays(Subject(lambda x: x), x), inputs=(Input("a", 0, 2), Input("b", 2, 4))
    )
    assert groups_of(question).groups == ()
    third = dataclasses.replace(question, inputs=(Input("a", 0, 2), Input("b", 2, 4), Input("c", 4, 5)))
    told = np.column_stack([x, x[:, 0] + x[:, 2]])  # by both together, not by the one with the same rows missing
    assert groups_of(dataclasses.replace(third, x=told)).told_by == {0: (1, 2), 1: (0, 2), 2: (0, 1)}
    x[:, 2] = x[:, 0] + 0.1 * x[:, 2]
    assert groups_of(dataclasses.replace(question, x=x)).groups == ((0, 1),)


def test_few_rows_say_nothing():
    x = np.random.default_rng(0).normal(size=(4, 3))
    question = Question.of_arrays(Subject(lambda x: x @ np.array([[3.0], [1.0], [0.0]])), x, 3 * x[:, 0] + x[:, 1])
    found = explain(question)
    assert found.reliability.verdict == "unreliable"
    assert "Of 4 rows chance cannot be told from influence" in found.reliability.statement
    assert all(found.verdict_of(k) == "not tested" for k in range(3))
    assert found.groups.groups == ()


@pytest.mark.parametrize("correlation", [-0.5, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("count", [3, 5, 9, 40])
def test_luck_of_a_rank_correlation(correlation, count):
    random = np.random.default_rng(0)
    drawn = [rank_correlation(random.permutation(count), np.arange(count)) for _ in range(4000)]
    assert chance(correlation, count) == pytest.approx(np.mean(np.array(drawn) >= correlation - 1e-9), abs=0.03)


@pytest.mark.parametrize(("columns", "verdict", "said"), [(3, "partly", "may be chance"), (8, "yes", "you may read")])
def test_few_columns_in_the_same_order_may_be_chance(columns, verdict, said):
    values = 2.0 ** np.arange(columns)[None]
    found = weights_as_importance([f"x{k}" for k in range(columns)], values, values, values / 100)
    assert (found.verdict, found.rank_correlation) == (verdict, 1.0)
    assert said in found.statement


def linear(weights):
    """Give a network that is a sum of inputs times weights."""
    weights = np.array(weights, float)[:, None]
    return Network.create(len(weights), [Dense(1)], dtype="float64").with_weights({"layers.0.weight": weights})


@pytest.mark.parametrize("weights", [[3.0, 1.0], [3.0, 1.5, 0, 0, 0, 0], [2.0, 0, 0, 0, 0, 0, 0, 0]])
def test_orders_that_tie_are_not_better(weights, ask):
    """Of two columns half of all orders are the same; of more, orders differ among columns that do nothing."""
    for seed in range(6):
        question = ask(linear(weights), np.random.default_rng(seed).normal(size=(300, len(weights))))
        importances = np.square(weights) + np.random.default_rng(seed).normal(size=len(weights)) * 1e-3
        assert faithfulness(question, question.subjects[0], importances, seed).share_better == 0


def test_orders_that_are_better_are_counted(ask):
    question = ask(linear([5.0, 3.0, 1.0, 0.2]), RANDOM.normal(size=(400, 4)))
    assert faithfulness(question, question.subjects[0], np.array([1.0, 2.0, 3.0, 4.0])).share_better > 0.8


def duplicated(divided, seed):
    """Ask about networks of an input that is there twice, each of which divides its weight otherwise."""
    x = np.random.default_rng(seed).normal(size=(500, 5))
    x[:, 1] = x[:, 0]
    networks = [Subject.of_network(linear([2 * part, 2 * (1 - part), 1.0, 0.5, 0.0])) for part in divided]
    return Question.of_arrays(networks, x, 2 * x[:, 0] + x[:, 2] + 0.5 * x[:, 3])


@pytest.mark.parametrize("divided", [(0.5, 0.5, 0.5), (0.0, 1.0, 0.3), (1.0, 0.9, -0.4)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_column_that_is_there_twice_counts_as_one(divided, seed):
    methods = ["permutation", "conditional_permutation", "gradient_input"]
    found = explain(duplicated(divided, seed), methods, seed=seed)
    assert found.reliability.verdict == "not identifiable"
    assert (found.evidence.stability, found.evidence.agreement, found.evidence.outdone) == (1.0, 1.0, 0.0)
    ((group, together, (low, high)),) = found.grouped
    assert group == (0, 1)
    assert low < together < high
    assert together == pytest.approx(4 / 5.25, abs=0.04)  # what the input has that is there once
    assert [found.verdict_of(k) for k in range(4)] == [
        *["not told apart, together rank 1"] * 2, "rank 2", "rank 3"
    ]  # fmt: skip
    told = found.to_json()["reliability"]
    assert told["groups"][0]["columns"] == ["x0", "x1"]
    assert told["seed_stability"] == found.evidence.stability  # and not that of single columns


def test_a_sum_is_told_by_its_terms_and_is_no_group():
    a, b = np.random.default_rng(0).normal(size=(2, 500))
    x = np.stack([a, b, a + b, np.random.default_rng(1).normal(size=500)], axis=1)
    found = explain(Question.of_arrays(Subject.of_network(linear([1.0, 1.0, 1.0, 1.0])), x, 2 * a + 2 * b + x[:, 3]))
    assert found.grouped == []
    assert found.groups.told_by == {0: (1, 2), 1: (0, 2), 2: (0, 1)}
    assert found.reliability.verdict == "not identifiable"  # they leave each other nothing of their own
    assert {each["column"] for each in found.to_json()["reliability"]["told"]} == {"x0", "x1", "x2"}


def test_groups_do_not_swallow_a_table():
    """Of the tumours' 30 columns a tenth of the pairs tell each other; chained, they would be one group."""
    from sklearn.datasets import load_breast_cancer

    found = groups_of(Question.of_arrays(Subject(lambda x: x), load_breast_cancer().data))
    assert max(len(group) for group in found.groups) <= 6
    assert all(found.pairs[i, j] >= 0.8 for group in found.groups for i in group for j in group)
    assert sorted(k for unit in found.units for k in unit) == list(range(30))


def test_of_nothing_there_are_no_shares_and_no_agreement():
    x = np.random.default_rng(0).normal(size=(400, 3))
    networks = [Subject.of_network(linear(np.array([1e-9, -1e-9, 1e-9]) * k)) for k in (1, 2)]
    found = explain(Question.of_arrays(networks, x, np.random.default_rng(1).normal(size=400)), "permutation")
    assert not found.any_influence
    assert found.reliability.verdict == "unreliable"
    assert "nothing to rank" in found.reliability.statement
    assert (found.evidence.stability, found.evidence.agreement, found.evidence.outdone) == (None, None, None)
    assert {each["importance"] for each in found.to_json()["inputs"]} == {None}
    assert "–" in found._repr_html_()


def test_ranks_are_tied_among_columns_with_an_influence():
    x = np.random.default_rng(0).normal(size=(300, 4))
    found = explain(
        Question.of_arrays(Subject.of_network(linear([3.0, 1.0, 1.0, 0.0])), x, x @ np.array([3.0, 1, 1, 0]))
    )
    assert [found.verdict_of(k) for k in range(4)] == [
        "rank 1", "tied, rank 2 to 3", "tied, rank 2 to 3", "no measurable influence",
    ]  # fmt: skip


def test_without_answers_columns_that_do_nothing_have_no_rank():
    x = np.random.default_rng(0).normal(size=(300, 4))
    found = explain(Question.of_arrays(Subject.of_network(linear([3.0, 1.0, 0.0, 0.0])), x))
    assert found.headline == "shapley"
    assert [found.verdict_of(k) for k in (2, 3)] == ["no measurable influence"] * 2
    assert "influence on the score" in found.tested


def test_few_rows_that_have_most_of_the_error_are_told():
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 3))
    answers = x[:, 0] + 0.5 * x[:, 1] + 0.1 * random.normal(size=600)
    several = [Subject.of_network(linear([1.0, 0.5, 0.0])) for _ in range(2)]
    found = explain(Question.of_arrays(several, x, answers), ["permutation", "shapley"])
    assert found.reliability.verdict == "reliable"
    assert 0.01 < found.evidence.hardest < 0.2
    answers[:6] += 4 * np.sign(answers[:6])
    found = explain(Question.of_arrays(several, x, answers), ["permutation", "shapley"])
    assert found.reliability.verdict == "partly"
    assert "The 1% of rows with the largest errors have 9" in found.reliability.statement


def test_a_row_that_has_nearly_all_of_the_error_is_named():
    x = np.random.default_rng(0).normal(size=(300, 3))
    x[41] = [0.0, 1e4, 0.0]
    question = Question.of_arrays(Subject.of_network(linear([1.0, 0.01, 0.0])), x, x[:, 0])
    found = explain(question, "permutation")
    assert found.evidence.heaviest == (41, pytest.approx(1.0, abs=0.01))
