"""Files of weights whose faults are looked for, with the tensors where a test wants them."""

import json
import struct

import numpy as np

from pondera.reading.read import read

KINDS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "uint8": "U8"}


def learned(*shape, seed=0):
    """Give weights as training leaves them."""
    random = np.random.default_rng(seed)
    values = random.standard_t(5, shape) * random.lognormal(0, 0.3, (shape[0], *[1] * (len(shape) - 1)))
    return (0.05 * values).astype(np.float32)


def saved(folder, arrays, start=4096 + 8):
    """Write a safetensors file whose values begin at a byte, by default not where a sector does."""
    header, data = {}, b""
    for name, array in arrays.items():
        more = np.ascontiguousarray(array).tobytes()
        offsets = [len(data), len(data) + len(more)]
        header[name] = {"dtype": KINDS[array.dtype.name], "shape": list(array.shape), "data_offsets": offsets}
        data += more
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", start - 8) + json.dumps(header).encode().ljust(start - 8) + data)
    return path


def found_in(folder, arrays, **more):
    return {(each.rule, each.where): each for each in read(saved(folder, arrays, **more)).findings}


def rules_of(folder, arrays, **more):
    return {rule for rule, _ in found_in(folder, arrays, **more)}
