import pytest

from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.scale import Scale
from pondera.tables.scale import SCALINGS
from pondera.training.losses import LOSSES
from pondera.training.plan import Plan
from pondera.training.recipes import RECIPES, recipe_of


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_a_network_that_fits_its_plan(name, task):
    recipe = recipe_of(name)
    assert recipe.scaling in SCALINGS
    assert all(units >= 1 for units in recipe.hidden)
    for classes in (2, 3, 10):
        plan = recipe.plan(task, classes)
        assert Plan.from_json(plan.to_json()) == plan
        loss = LOSSES[Choice.of(plan.loss).name]
        assert loss.metric == ("accuracy" if task == "classification" else "rmse")
        architecture = recipe.build(7, recipe.hidden, recipe.activation[task], classes)
        assert Architecture.from_json(architecture.to_json()) == architecture
        assert architecture.inputs == 7
        assert architecture.outputs == classes
        dense = [layer for layer in architecture.layers if isinstance(layer, Dense)]
        assert tuple(layer.units for layer in dense) == (*recipe.hidden, classes)
        assert {layer.activation for layer in dense[:-1]} == {Choice(recipe.activation[task])}
        assert dense[-1].activation == Choice("identity")
        assert set(architecture.initial(0)) == set(architecture.shapes)


def test_strong_is_as_published():
    # RealMLP-TD-S, arXiv 2407.04491, table 1; but the weight decay was chosen by benchmarks/recipes.py
    recipe = recipe_of("strong")
    assert recipe.hidden == (256, 256, 256)
    assert recipe.activation == {"classification": "selu", "regression": "mish"}
    architecture = recipe.build(5, recipe.hidden, "selu", 3)
    assert isinstance(architecture.layers[0], Scale)
    assert {layer.parametrization for layer in architecture.layers[1:]} == {"ntk"}
    assert not architecture.initial(0)["layers.4.weight"].any()
    for task, rate in (("classification", 0.04), ("regression", 0.07)):
        plan = recipe.plan(task, 3)
        assert (plan.epochs, plan.batch_size, plan.learning_rate) == (256, 256, rate)
        assert plan.schedule == Choice("coslog4")
        assert plan.optimizer == Choice("adam", b1=0.9, b2=0.95)
        assert dict(plan.factors) == {"scale": 6.0, "bias": 0.1}
        assert plan.decay == 0.05
    assert recipe.plan("classification", 3).loss == Choice("softmax_cross_entropy", label_smoothing=0.1)


def test_unknown():
    with pytest.raises(ArgumentError, match=r"Unknown recipe 'strnog'. Did you mean 'strong'\?"):
        recipe_of("strnog")
