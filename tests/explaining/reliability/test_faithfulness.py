"""What taking columns away says of a ranking of several networks."""

import numpy as np

from pondera.explaining.explain import explain
from pondera.explaining.reliability.faithfulness import faithfulness
from pondera.network.dense import Dense
from pondera.network.network import Network


def test_every_network_is_asked(ask, linear_network):
    """The first of three uses another column than the two others, as their mean does not."""
    x = np.random.default_rng(0).normal(size=(400, 3))
    networks = [linear_network(weights) for weights in ([0.1, 3.0, 0.1], [3.0, 0.1, 0.1], [3.0, 0.1, 0.1])]
    question = ask(networks, x, 3 * x[:, 0])
    ranking = np.array([6.0, 3.0, 0.1])
    assert faithfulness(question, question.subjects, ranking).share_better == 0
    alone = [faithfulness(question, each, ranking) for each in question.subjects]
    whole = faithfulness(question, question.subjects, ranking)
    np.testing.assert_allclose(whole.deletion, np.mean([each.deletion for each in alone], axis=0))
    assert explain(question, "permutation").faithfulness.deletion[1] == whole.deletion[1]


def test_figures_are_those_of_the_worst_network(ask, rows):
    networks = [
        Network.create(4, [Dense(8, "tanh"), Dense(1)], seed=seed, dtype="float64").with_weights(
            {"layers.0.weight": factor * np.random.default_rng(seed).normal(size=(4, 8))}
        )
        for seed, factor in enumerate((0.1, 5.0))
    ]
    found = explain(ask(networks, rows), ["integrated_gradients", "permutation"])
    by_name = {each["name"]: each["figures"] for each in found.to_json()["methods"]}
    measured = found.results["integrated_gradients"].measured
    assert measured[0].figures["completeness_error"] < measured[1].figures["completeness_error"]
    assert by_name["integrated_gradients"] == measured[1].figures
    errors = [each.figures["error"] for each in found.results["permutation"].measured]
    assert by_name["permutation"]["error"] == np.mean(errors)
