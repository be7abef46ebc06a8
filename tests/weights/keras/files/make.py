"""Writes the Keras files of this folder, and their values as expected.npz. Run with keras and h5py: python make.py"""

import io
import os
import zipfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import h5py
import keras
import numpy as np

HERE = Path(__file__).parent


def model_of() -> keras.Model:
    """Return a small model of many kinds of layers, trained for a step."""
    keras.utils.set_random_seed(0)
    image, words = keras.Input((6, 6, 1), name="image"), keras.Input((4,), dtype="int32", name="words")
    left = keras.layers.Conv2D(2, 3, name="edges")(image)
    left = keras.layers.BatchNormalization(name="norm")(left)
    left = keras.layers.GlobalAveragePooling2D()(left)
    right = keras.layers.Embedding(5, 3, name="letters")(words)
    right = keras.layers.LSTM(2, name="memory")(right)
    both = keras.layers.Concatenate()([left, right])
    both = keras.layers.Dropout(0.5)(both)
    head = keras.Sequential(
        [keras.layers.Dense(3, activation="relu", name="first"), keras.layers.Dense(2, use_bias=False)], name="head"
    )
    model = keras.Model([image, words], keras.layers.Dense(1, name="last")(head(both)), name="small")
    model.compile("adam", "mse")
    random = np.random.default_rng(0)
    model.fit(
        [random.normal(size=(4, 6, 6, 1)), random.integers(0, 5, (4, 4))],
        random.normal(size=(4, 1)),
        epochs=1,
        verbose=0,
    )
    return model


def without_names(path: Path, again: Path) -> None:
    """Write an archive as Keras did before it kept the layers' names beside their weights."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(again, "w") as older:
        for name in archive.namelist():
            content = io.BytesIO(archive.read(name))
            if name.endswith(".h5"):
                with h5py.File(content, "r+") as file:
                    file.visititems(lambda _, found: found.attrs.pop("name", None))
            older.writestr(name, content.getvalue())


def as_keras_2(path: Path) -> None:
    """Write weights as Keras 2 did: names with ":0", long lists of names in parts, names of fixed length."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names0"] = np.array([b"dense", b"relu"])
        file.attrs["layer_names1"] = np.array([b"dense_1"])
        file.attrs["keras_version"] = b"2.11.0"
        for layer in ("dense", "dense_1"):
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/kernel:0".encode(), b"bias:0"])
            group[f"{layer}/kernel:0"] = np.eye(2, dtype="f4")
            group["bias:0"] = np.arange(2, dtype="f4")
        file.create_group("relu").attrs["weight_names"] = np.array([])


def main() -> None:
    """Write all files."""
    model = model_of()
    expected = {}
    for variable in model.weights:
        expected[variable.path] = np.asarray(variable.value)
    for at, variable in enumerate(model.optimizer.variables):
        expected[f"optimizer:{at}:{variable.path}"] = np.asarray(variable.value)
    model.save(HERE / "small.keras")
    model.save_weights(HERE / "small.weights.h5")
    model.save(HERE / "small.h5")
    half = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="half", dtype="bfloat16")])
    half.save(HERE / "half.keras")
    for variable in half.weights:
        expected[f"half:{variable.path}"] = np.asarray(variable.value).astype("float32")
    without_names(HERE / "half.keras", HERE / "older.keras")
    as_keras_2(HERE / "keras_2.h5")
    np.savez_compressed(HERE / "expected.npz", **expected)


if __name__ == "__main__":
    main()
