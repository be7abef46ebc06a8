"""What somebody may ask of a training; what they leave open, the recipe decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pondera.choice import Choice
from pondera.network.architecture import Architecture
from pondera.training.plan import Plan
from pondera.training.recipes import Task, recipe_of

PATIENCE = 20  # epochs, where early stopping is asked for and the recipe names no number of its own


@dataclass(frozen=True)
class Settings:
    """Wishes, None where there is none. The estimators describe each of them."""

    recipe: str = "strong"
    hidden: tuple[int, ...] | None = None
    activation: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    validation_fraction: float = 0.2
    early_stopping: bool | None = None
    class_weight: Mapping[Any, float] | str | None = None
    seeds: int = 1
    seed: int = 0
    dtype: str = "float32"

    def architecture(self, task: Task, inputs: int, classes: int) -> Architecture:
        """Return the recipe's architecture with the wishes in it."""
        recipe = recipe_of(self.recipe)
        hidden = recipe.hidden if self.hidden is None else self.hidden
        activation = self.activation or recipe.activation[task]
        one_each = Choice.of(recipe.plan(task, classes).loss).name == "softmax_cross_entropy"
        return recipe.build(inputs, hidden, activation, classes if one_each else 1)

    def plan(self, task: Task, classes: int) -> Plan:
        """Return the recipe's plan with the wishes in it."""
        plan = recipe_of(self.recipe).plan(task, classes)
        wishes = {
            name: getattr(self, name)
            for name in ("epochs", "batch_size", "learning_rate", "weight_decay")
            if getattr(self, name) is not None
        }
        if self.early_stopping is not None:
            wishes["patience"] = (plan.patience or PATIENCE) if self.early_stopping else None
        return plan.replace(seed=self.seed, **wishes)
