"""The innermost loop over floats, written in vectors of LLVM's intermediate language.

A compiler makes vectors of such a loop by itself, but then it adds up each block anew, keeps whole numbers apart from
floats, and waits for memory in between. Here sums stay in registers from block to block, the values that follow are
fetched while these are added up, and bits are looked at in the width in which they are stored. The same description
serves every instruction set: LLVM splits vectors that are wider than the machine's.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic

cgutils: Any = _cgutils  # it has no types

REGISTER = 8 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 4
"""Values of float64 that a register holds."""

LANES = 2 * REGISTER if REGISTER == 8 else REGISTER
"""Values that are added at a time: as many as leave the sums of each lane in registers, of which there are 32 or 16."""

AHEAD = 4096
"""How many bytes ahead values are fetched."""

SUMS, LOOKS = 5, 3
"""Rows of sums: powers 1 to 4 of the distances from a center, and sizes. Rows of what is seen of the bits: the largest
as signed whole numbers, the largest as unsigned ones, and the smallest without the sign."""

WORD, INDEX = ir.IntType(32), ir.IntType(64)
IEEE = {16: ir.HalfType(), 32: ir.FloatType(), 64: ir.DoubleType()}


def _loop(lanes: int, *, centered: bool, brain: bool) -> Any:
    """Return the loop for so many lanes, about a center or about 0, over IEEE's floats or bfloat16.

    It is called with

    raw, start, stop
        The bits of the values, as unsigned whole numbers, and from where to where: a multiple of ``lanes``.
    center
        Float64.
    sums
        (SUMS, LANES) float64, of the values so far; they are brought up to date. Where a value is not finite they are
        of no use.
    looks
        (LOOKS, LANES) uint64, the same.
    """

    def typed(_context, raw, start, stop, center, sums, looks):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            arrays = [context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 4, 5)]
            first, last, middle = arguments[1:4]
            writer = _Writer(builder, raw.dtype.bitwidth, lanes, brain)
            writer.write(arrays, first, last, middle if centered else None)
            return context.get_dummy_value()

        return types.void(raw, start, stop, center, sums, looks), generate

    return intrinsic(typed)


def _float32_bits(_context, raw, brain):  # type: ignore[no-untyped-def]
    """Return the bits of a float, of bfloat16 where ``brain`` is true, as those of a float32."""

    def generate(_context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        width = signature.args[0].bitwidth
        value = builder.bitcast(arguments[0], IEEE[width])
        if width == 64:
            value = builder.fptrunc(value, IEEE[32])
        if width == 16:
            shifted = builder.shl(builder.zext(arguments[0], WORD), WORD(16))
            return builder.select(arguments[1], shifted, builder.bitcast(builder.fpext(value, IEEE[32]), WORD))
        return builder.bitcast(value, WORD)

    return types.int32(raw, brain), generate


def _wide(_context):  # type: ignore[no-untyped-def]
    """Let a compiled function use vectors of 512 bits where there are any: by itself LLVM takes half of that."""

    def generate(context, builder, _signature, _arguments):  # type: ignore[no-untyped-def]
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite knows only some attributes
        return context.get_dummy_value()

    return types.void(), generate


wide: Any = intrinsic(_wide)
float32_bits: Any = intrinsic(_float32_bits)
plain, centered = _loop(LANES, centered=False, brain=False), _loop(LANES, centered=True, brain=False)
plain_brain, centered_brain = _loop(LANES, centered=False, brain=True), _loop(LANES, centered=True, brain=True)
single, single_brain = _loop(1, centered=True, brain=False), _loop(1, centered=True, brain=True)


class _Writer:
    """Writes the loop."""

    def __init__(self, builder: Any, width: int, lanes: int, brain: bool) -> None:
        self.builder, self.width, self.lanes = builder, width, lanes
        self.brain = brain and width == 16
        self.whole = ir.VectorType(ir.IntType(width), lanes)
        self.real = ir.VectorType(ir.DoubleType(), lanes)
        self.wide = ir.VectorType(INDEX, lanes)

    def write(self, arrays: list[Any], start: Any, stop: Any, center: Any) -> None:
        """Write the loop between loading what is known and storing what is known then."""
        builder, (raw, sums, looks) = self.builder, arrays
        added = [self.variable(builder.load(self.at(sums, LANES * k, self.real), align=8)) for k in range(SUMS)]
        seen = [
            self.variable(self.resized(builder.load(self.at(looks, LANES * k, self.wide), align=8), self.whole))
            for k in range(LOOKS)
        ]
        middle = None if center is None else self.spread(center)
        with cgutils.for_range_slice(builder, start, stop, INDEX(self.lanes), INDEX) as (index, _):
            self.fetch(raw, index)
            value = self.floats(raw, index)
            self.look(builder.load(self.at(raw, index, self.whole), align=self.width // 8), seen)
            self.add(value, middle, added)
        for k in range(SUMS):
            builder.store(builder.load(added[k]), self.at(sums, LANES * k, self.real), align=8)
        for k in range(LOOKS):
            found = self.resized(builder.load(seen[k]), self.wide, signed=k == 0)
            builder.store(found, self.at(looks, LANES * k, self.wide), align=8)

    def look(self, bits: Any, seen: list[Any]) -> None:
        """Bring up to date what is seen of the bits."""
        builder = self.builder
        size = builder.and_(bits, ir.Constant(self.whole, [(1 << self.width - 1) - 1] * self.lanes))
        signed, unsigned = builder.icmp_signed, builder.icmp_unsigned
        better = ((signed, ">", bits), (unsigned, ">", bits), (unsigned, "<", size))
        for place, (compare, sign, each) in zip(seen, better, strict=True):
            known = builder.load(place)
            builder.store(builder.select(compare(sign, each, known), each, known), place)

    def add(self, value: Any, middle: Any, sums: list[Any]) -> None:
        """Add powers of the distance from the middle, and the size."""
        builder = self.builder
        d = value if middle is None else builder.fsub(value, middle)
        square = builder.fmul(d, d)
        absolute = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.real, [self.real]), f"llvm.fabs.v{self.lanes}f64"
        )
        fused = {"flags": ["contract"]}  # a product and the sum it goes into are one instruction
        terms = [d, square, builder.fmul(square, d, **fused), builder.fmul(square, square, **fused)]
        for place, term in zip(sums, [*terms, builder.call(absolute, [value])], strict=True):
            builder.store(builder.fadd(builder.load(place), term, **fused), place)

    def floats(self, raw: Any, index: Any) -> Any:
        """Return the values at a place as float64, loaded a register at a time and widened on the way."""
        builder, width = self.builder, min(self.lanes, REGISTER)
        kind = ir.VectorType(ir.IntType(16) if self.brain else IEEE[self.width], width)
        parts = []
        for first in range(0, self.lanes, width):
            place = self.at(raw, builder.add(index, INDEX(first)), kind)
            part = builder.load(place, align=self.width // 8)
            if self.brain:  # the upper width of a float32
                words = ir.VectorType(WORD, width)
                part = builder.shl(builder.zext(part, words), ir.Constant(words, [16] * width))
                part = builder.bitcast(part, ir.VectorType(IEEE[32], width))
            wide = ir.VectorType(ir.DoubleType(), width)
            parts.append(part if part.type == wide else builder.fpext(part, wide))
        if len(parts) == 1:
            return parts[0]
        order = ir.Constant(ir.VectorType(WORD, self.lanes), list(range(self.lanes)))
        return builder.shuffle_vector(*parts, order)

    def fetch(self, raw: Any, index: Any) -> None:
        """Bring what lies ahead into the first cache; beyond the end of memory this does nothing."""
        ahead = self.builder.add(index, INDEX(AHEAD * 8 // self.width))
        address = self.builder.bitcast(self.builder.gep(raw, [ahead]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, WORD, WORD, WORD])
        called = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(called, [address, WORD(0), WORD(3), WORD(1)])  # to read, to be kept, data

    def variable(self, value: Any) -> Any:
        """Return a variable, which LLVM keeps in a register."""
        return cgutils.alloca_once_value(self.builder, value)

    def spread(self, number: Any) -> Any:
        """Return the same float64 in every lane."""
        found = ir.Constant(self.real, ir.Undefined)
        for lane in range(self.lanes):
            found = self.builder.insert_element(found, number, WORD(lane))
        return found

    def resized(self, values: Any, kind: Any, *, signed: bool = False) -> Any:
        """Return whole numbers in another width."""
        if values.type == kind:
            return values
        if kind.element.width < values.type.element.width:
            return self.builder.trunc(values, kind)
        return (self.builder.sext if signed else self.builder.zext)(values, kind)

    def at(self, array: Any, index: Any, kind: Any) -> Any:
        """Return the pointer to a vector at a place of an array."""
        place = INDEX(index) if isinstance(index, int) else index
        return self.builder.bitcast(self.builder.gep(array, [place]), kind.as_pointer())
