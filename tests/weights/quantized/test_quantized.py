import struct
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from pondera.weights.quantized import encodings
from pondera.weights.quantized.blocks import E2M1_DOUBLED, FOUR_BIT_LEVELS
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.quantized.grids import GRIDS, grid
from pondera.weights.quantized.kernels import HALVES, KERNELS, compiled

VECTORS = np.load(Path(__file__).parent / "files" / "vectors.npz")
F = np.float32


def f16(block, at):
    return np.frombuffer(block[at : at + 2], "<f2")[0].astype(F)


def u16(block, at):
    return int.from_bytes(block[at : at + 2], "little")


def u32(block, at):
    return int.from_bytes(block[at : at + 4], "little")


def i8(block, at):
    return block[at] - 256 * (block[at] >= 128)


def scale_and_minimum(b, k):
    """The k-th of the eight scales and minima in the twelve bytes from byte 4 on."""
    if k < 4:
        return b[4 + k] & 63, b[8 + k] & 63
    return b[8 + k] & 15 | (b[k] >> 6) << 4, b[8 + k] >> 4 | (b[4 + k] >> 6) << 4


def sign(bits, c):
    return F(-1) if bits >> c & 1 else F(1)


def even(seven):
    return seven | (seven.bit_count() & 1) << 7


def half_steps(b, scale, factor):
    return f16(b, 0) * (F(0.5) + F(scale)) * F(factor)


# The value at index i of a block b, straight from the layout, one number at a time.


def q1_0(b, i):
    return f16(b, 0) * F(2 * (b[2 + i // 8] >> i % 8 & 1) - 1)


def q4_0(b, i):
    return f16(b, 0) * F((b[2 + i % 16] >> 4 * (i // 16) & 15) - 8)


def q4_1(b, i):
    return f16(b, 0) * F(b[4 + i % 16] >> 4 * (i // 16) & 15) + f16(b, 2)


def q5_0(b, i):
    return f16(b, 0) * F((b[6 + i % 16] >> 4 * (i // 16) & 15 | (u32(b, 2) >> i & 1) << 4) - 16)


def q5_1(b, i):
    return f16(b, 0) * F(b[8 + i % 16] >> 4 * (i // 16) & 15 | (u32(b, 4) >> i & 1) << 4) + f16(b, 2)


def q8_0(b, i):
    return f16(b, 0) * F(i8(b, 2 + i))


def q8_k(b, i):
    return np.frombuffer(b[:4], "<f4")[0] * F(i8(b, 4 + i))


def two_bits(b, start, i):
    return b[start + 32 * (i // 128) + i % 32] >> 2 * (i % 128 // 32) & 3


def q2_k(b, i):
    s = b[i // 16]
    return f16(b, 80) * F(s & 15) * F(two_bits(b, 16, i)) - f16(b, 82) * F(s >> 4)


def q3_k(b, i):
    k = i // 16
    scale = b[96 + k % 8] >> 4 * (k // 8) & 15 | (b[104 + k % 4] >> 2 * (k // 4) & 3) << 4
    q = two_bits(b, 32, i) - (0 if b[i % 32] >> i // 32 & 1 else 4)
    return f16(b, 108) * F(scale - 32) * F(q)


def q4_k(b, i):
    scale, minimum = scale_and_minimum(b, i // 32)
    q = b[16 + 32 * (i // 64) + i % 32] >> 4 * (i // 32 % 2) & 15
    return f16(b, 0) * F(scale) * F(q) - f16(b, 2) * F(minimum)


def q5_k(b, i):
    scale, minimum = scale_and_minimum(b, i // 32)
    q = b[48 + 32 * (i // 64) + i % 32] >> 4 * (i // 32 % 2) & 15 | (b[16 + i % 32] >> i // 32 & 1) << 4
    return f16(b, 0) * F(scale) * F(q) - f16(b, 2) * F(minimum)


def q6_k(b, i):
    half, r = divmod(i, 128)
    q = b[64 * half + r % 64] >> 4 * (r // 64) & 15 | (b[128 + 32 * half + r % 32] >> 2 * (r // 32) & 3) << 4
    return f16(b, 208) * F(i8(b, 192 + i // 16)) * F(q - 32)


def iq4_nl(b, i):
    return f16(b, 0) * F(FOUR_BIT_LEVELS[b[2 + i % 16] >> 4 * (i // 16) & 15])


def iq4_xs(b, i):
    g = i // 32
    scale = b[4 + g // 2] >> 4 * (g % 2) & 15 | (u16(b, 2) >> 2 * g & 3) << 4
    return f16(b, 0) * F(scale - 32) * F(FOUR_BIT_LEVELS[b[8 + 16 * g + i % 16] >> 4 * (i % 32 // 16) & 15])


def tq1_0(b, i):
    if i < 160:
        at, digit = i % 32, i // 32
    elif i < 240:
        at, digit = 32 + i % 16, (i - 160) // 16
    else:
        at, digit = 48 + i % 4, (i - 240) // 4
    return f16(b, 52) * F(((b[at] * 3**digit & 255) * 3 >> 8) - 1)


def tq2_0(b, i):
    return f16(b, 64) * F(two_bits(b, 0, i) - 1)


def mxfp4(b, i):
    return F(2.0 ** (b[0] - 128)) * F(E2M1_DOUBLED[b[1 + i % 16] >> 4 * (i // 16) & 15])


def nvfp4(b, i):
    part = i // 16
    exponent, mantissa = b[part] >> 3 & 15, b[part] & 7
    scale = mantissa / 512 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    q = E2M1_DOUBLED[b[4 + 8 * part + i % 8] >> 4 * (i % 16 // 8) & 15]
    return F(0 if b[part] == 0x7F else scale / 2) * F(q)


def iq2_xxs(b, i):
    at, k = 2 + 8 * (i // 32), i % 32 // 8
    word = u32(b, at + 4)
    return half_steps(b, word >> 28, 0.25) * grid("IQ2_XXS")[b[at + k], i % 8] * sign(even(word >> 7 * k & 127), i % 8)


def iq2_xs(b, i):
    word = u16(b, 2 + 2 * (i // 8))
    scale = b[66 + i // 32] >> 4 * (i % 32 // 16) & 15
    return half_steps(b, scale, 0.25) * grid("IQ2_XS")[word & 511, i % 8] * sign(even(word >> 9), i % 8)


def iq2_s(b, i):
    p = i // 8
    number = b[2 + p] | (b[66 + p // 4] >> 2 * (p % 4) & 3) << 8
    scale = b[74 + i // 32] >> 4 * (i % 32 // 16) & 15
    return half_steps(b, scale, 0.25) * grid("IQ2_S")[number, i % 8] * sign(b[34 + p], i % 8)


def iq3_xxs(b, i):
    word = u32(b, 66 + 4 * (i // 32))
    signs = even(word >> 7 * (i % 32 // 8) & 127)
    return half_steps(b, word >> 28, 0.5) * grid("IQ3_XXS")[b[2 + i // 4], i % 4] * sign(signs, i % 8)


def iq3_s(b, i):
    p = i // 4
    number = b[2 + p] | (b[66 + p // 8] >> p % 8 & 1) << 8
    scale = b[106 + i // 64] >> 4 * (i % 64 // 32) & 15
    return f16(b, 0) * F(1 + 2 * scale) * grid("IQ3_S")[number, i % 4] * sign(b[74 + i // 8], i % 8)


def iq1_s(b, i):
    p, word = i // 8, u16(b, 34 + 2 * (i // 32))
    number = b[2 + p] | (word >> 3 * (p % 4) & 7) << 8
    return f16(b, 0) * F(2 * (word >> 12 & 7) + 1) * (grid("IQ1_S")[number, i % 8] + F(0.125) * sign(word >> 15, 0))


def iq1_m(b, i):
    p, k = i // 8, i // 16
    d = sum((u16(b, 48 + 2 * part) >> 12) << 4 * part for part in range(4))
    scale = 2 * (u16(b, 48 + 2 * (k // 4)) >> 3 * (k % 4) & 7) + 1
    high = b[32 + p // 2] >> 4 * (p % 2) & 15
    point = grid("IQ1_S")[b[p] | (high & 7) << 8, i % 8] + F(0.125) * sign(high, 3)
    return f16(d.to_bytes(2, "little"), 0) * F(scale) * point


def random_blocks(name, count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, ENCODINGS[name].size), dtype=np.uint8)


def plainly(name, blocks):
    one, values = globals()[name.lower()], ENCODINGS[name].values
    with np.errstate(all="ignore"):
        return np.array([[one(block.tobytes(), i) for i in range(values)] for block in blocks], F)


@pytest.mark.parametrize("name", ENCODINGS)
def test_against_the_layout_one_value_at_a_time(name):
    blocks = random_blocks(name, 12)
    blocks[-2:] = [[0], [255]]
    found = ENCODINGS[name].decode(blocks)
    assert found.dtype == F
    assert found.shape == (12, ENCODINGS[name].values)
    np.testing.assert_array_equal(found, plainly(name, blocks))


@pytest.mark.parametrize("name", [name for name in ENCODINGS if f"{name}.blocks" in VECTORS])
def test_against_what_the_gguf_package_reads(name):
    blocks, floats = VECTORS[f"{name}.blocks"], VECTORS[f"{name}.floats"]
    np.testing.assert_array_equal(ENCODINGS[name].decode(blocks), floats)
    np.testing.assert_array_equal(np.signbit(ENCODINGS[name].decode(blocks)), np.signbit(floats))


def test_every_encoding_but_two_has_vectors():
    assert {name for name in ENCODINGS if f"{name}.blocks" not in VECTORS} == {"Q8_K", "Q1_0"}  # gguf reads neither


@pytest.mark.parametrize("name", GRIDS)
def test_grids(name):
    np.testing.assert_array_equal(grid(name), VECTORS[f"{name}.grid"])


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_without_a_compiler(name):
    blocks = random_blocks(name, 5)
    out = np.empty((5, ENCODINGS[name].values), F)
    with np.errstate(all="ignore"):
        KERNELS[name](blocks, HALVES, out)
    np.testing.assert_array_equal(out, plainly(name, blocks))


@pytest.mark.parametrize("name", KERNELS)
def test_compiled_kernels(name):
    pytest.importorskip("numba")
    blocks = random_blocks(name, 1000)
    blocks.flags.writeable = False
    out = np.empty((1000, ENCODINGS[name].values), F)
    compiled(name)(blocks, HALVES, out)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(out, ENCODINGS[name].decoder(blocks.view(ENCODINGS[name].layout)[:, 0]))


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("compile_", [True, False])
def test_threads_and_pieces_change_nothing(name, compile_, monkeypatch):
    blocks = random_blocks(name, 37)
    expected = ENCODINGS[name].decode(blocks)
    if not compile_:
        monkeypatch.setattr(encodings, "compiled", lambda name: None)
    monkeypatch.setattr(encodings, "VALUES_A_THREAD", 256)
    monkeypatch.setattr(encodings, "VALUES_A_PIECE", 512)
    monkeypatch.setattr(encodings, "cores", lambda: 3)
    np.testing.assert_array_equal(ENCODINGS[name].decode(blocks), expected)
    out = np.empty_like(expected)
    assert ENCODINGS[name].decode(blocks, out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("name", ENCODINGS)
def test_any_stretch(name):
    values, size = ENCODINGS[name].values, ENCODINGS[name].size
    blocks = random_blocks(name, 6, seed=1)
    source = Blocks(memoryview(b"12345" + blocks.tobytes()), 5, ENCODINGS[name], 6 * values)
    assert source.nbytes == 6 * size
    whole = ENCODINGS[name].decode(blocks).reshape(-1)
    for start, stop in [(0, 6 * values), (0, 0), (7, 7), (values, values), (3, values + 1), (values, 2 * values)]:
        np.testing.assert_array_equal(source.flat(start, stop), whole[start:stop])
    np.testing.assert_array_equal(source.flat(6 * values - 1, 6 * values), whole[-1:])
    assert source.flat(6 * values, 6 * values).shape == (0,)


def test_no_other_blocks_are_decoded(monkeypatch):
    seen = []
    really = encodings.Encoding.decode

    def watched(self, blocks, out=None):
        seen.append(len(blocks))
        return really(self, blocks, out)

    monkeypatch.setattr(encodings.Encoding, "decode", watched)
    Blocks(memoryview(bytes(34 * 100)), 0, ENCODINGS["Q8_0"], 3200).flat(40, 70)
    assert seen == [2]


def test_without_numba(monkeypatch):
    expected = ENCODINGS["Q8_0"].decode(random_blocks("Q8_0", 3))
    compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert compiled("Q8_0") is None
    np.testing.assert_array_equal(ENCODINGS["Q8_0"].decode(random_blocks("Q8_0", 3)), expected)
    compiled.cache_clear()


@pytest.mark.parametrize("error", [RuntimeError("no locator"), PermissionError(13, "Permission denied")])
def test_where_no_cache_can_be_written(monkeypatch, error):
    def njit(signature, nogil, cache=False):
        if cache:
            raise error
        return lambda function: function

    numba = types.SimpleNamespace(
        njit=njit,
        types=types.SimpleNamespace(void=lambda *_: None, Array=lambda *_, **__: None, uint8=1, float32=2),
    )
    compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", numba)
    assert compiled("Q4_0") is KERNELS["Q4_0"]
    compiled.cache_clear()


def test_numba_is_imported_on_first_use_only():
    code = "import sys, pondera.weights.quantized.encodings; assert not {'numba', 'jax'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_half_precision_table():
    finite = [code for code in range(1 << 16) if code >> 10 & 31 != 31]
    exact = [struct.unpack("<e", code.to_bytes(2, "little"))[0] for code in finite]
    assert HALVES[finite].tolist() == exact
    assert HALVES[[0x7C00, 0xFC00]].tolist() == [np.inf, -np.inf]
    assert np.isnan(HALVES).sum() == 2 * 1023
