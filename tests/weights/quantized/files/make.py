"""Write vectors.npz: a random block of every encoding, what gguf 0.19 reads in it, and its tables of points.

Run with ``pip install gguf==0.19.0 numpy``: ``python make.py``.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES

SCALES = {"Q2_K": (80, 82), "Q3_K": (108,), "Q6_K": (208,), "TQ1_0": (52,), "TQ2_0": (64,), "IQ1_M": (), "MXFP4": ()}
"""Where the half-precision scales of a block begin; elsewhere it is at its first byte."""
TWO = ("Q4_1", "Q5_1", "Q4_K", "Q5_K")

generator = np.random.default_rng(19)
found = {}
for kind, encoding in quants._type_traits.items():
    name = kind.name
    if name == "BF16":
        continue
    blocks = generator.integers(0, 256, (1, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for at in SCALES.get(name, () if name == "NVFP4" else (0, 2) if name in TWO else (0,)):
        scales = generator.normal(0, 0.01, 1).astype(np.float16)
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(1, 2)
    if name == "IQ1_M":
        blocks[:, 55] = 0x20  # a small scale
    found[f"{name}.blocks"] = blocks
    found[f"{name}.floats"] = quants.dequantize(blocks, Type[name])
    if name.startswith("IQ") and name not in ("IQ1_M", "IQ4_NL", "IQ4_XS"):
        found[f"{name}.grid"] = encoding.grid[0, 0].astype(np.int8)
np.savez_compressed(Path(__file__).with_name("vectors.npz"), **found)
