"""A Keras network that learns, for the architectures that are served as SavedModels."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from telltale_export.architectures import Architecture, build
from telltale_export.architectures.keras_served import KerasDetector, settle
from telltale_export.evaluation.metrics import Bools, Floats
from telltale_export.training.learner import EDGE, NORM, Items
from telltale_export.training.plan import Plan


class KerasLearner:
    """See ``Learner``. In single precision; where it computes, TensorFlow decides."""

    framework = f"keras {keras.__version__}"
    best_file = "best.weights.h5"

    def __init__(self, architecture: Architecture, detector: KerasDetector, plan: Plan, weight: Floats) -> None:
        """``weight`` [2]: of the genuine and the forged class in the loss."""
        self._detector = detector
        self._average: KerasDetector = build(architecture)
        self._average.network.set_weights(detector.network.get_weights())
        settle(self._average.network)
        self._seed = plan.seed
        self._weight = tf.constant(weight, tf.float32)
        self._optimiser = keras.optimizers.AdamW(
            plan.learning_rate, weight_decay=plan.weight_decay, global_clipnorm=NORM
        )
        trained = detector.network.trainable_variables
        # Norms and biases are not decayed.
        self._optimiser.exclude_from_weight_decay(var_list=[v for v in trained if len(v.shape) <= 1])
        self._optimiser.build(trained)
        self._step = tf.function(self._learn, reduce_retracing=True)
        self._answer = tf.function(
            lambda items: self._average.served(items, training=False)["probability"], reduce_retracing=True
        )

    def begin(self, number: int) -> None:
        """Seed what drops out."""
        for layer in self._detector.network.layers:
            if isinstance(layer, keras.layers.Dropout):
                fresh = keras.random.SeedGenerator(self._seed * 100_003 + number)
                layer.seed_generator.state.assign(fresh.state)

    def learn(self, items: Items, fake: Bools, rate: float, keep: float) -> float:
        """One step."""
        self._optimiser.learning_rate.assign(rate)
        loss = self._step(tf.constant(items), tf.constant(fake, tf.float32), tf.constant(keep, tf.float32))
        return float(loss)

    def _learn(self, items: Any, fake: Any, keep: Any) -> Any:
        variables = self._detector.network.trainable_variables
        with tf.GradientTape() as tape:
            probability = tf.clip_by_value(self._detector.served(items, training=True)["probability"], EDGE, 1.0 - EDGE)
            entropy = -fake * tf.math.log(probability) - (1.0 - fake) * tf.math.log(1.0 - probability)
            loss = tf.reduce_mean(tf.gather(self._weight, tf.cast(fake, tf.int32)) * entropy)
        self._optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for own, other in zip(self._average.network.weights, self._detector.network.weights, strict=True):
            if own.dtype.startswith("float"):
                own.assign(keep * own + (1.0 - keep) * other)
            else:
                own.assign(other)
        return loss

    def answer(self, items: Items) -> Floats:
        """As it is served."""
        return np.asarray(self._answer(tf.constant(items)), dtype=np.float64)

    def weights(self) -> bytes:
        """A .weights.h5 of Keras 3."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.best_file
            self._average.network.save_weights(path)
            return path.read_bytes()

    def state(self) -> bytes:
        """Arrays of network, average and optimiser, in an .npz."""
        arrays = {
            f"{name}/{index}": np.asarray(variable)
            for name, variables in self._parts().items()
            for index, variable in enumerate(variables)
        }
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        """The same."""
        with np.load(io.BytesIO(state)) as kept:
            for name, variables in self._parts().items():
                for index, variable in enumerate(variables):
                    variable.assign(kept[f"{name}/{index}"])

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self._detector.network.weights,
            "average": self._average.network.weights,
            "optimiser": self._optimiser.variables,
        }
