"""Encodings whose blocks refer to a table of points (ggml's IQ1, IQ2 and IQ3), and these tables.

A grid is a set of points whose coordinates are taken from a few levels; a block names its points by their number in the
grid, and carries scales and signs beside. With the levels as digits, the first coordinate the lowest, every point is a
number, and the points stand in ascending order. So a grid is stored as one bit a number: whether it is in the set.
"""

from __future__ import annotations

import base64
import functools
import zlib
from typing import Any

import numpy as np

from pondera.weights.quantized.blocks import bits, floats
from pondera.weights.tensor import Array

FIELDS: dict[str, list[Any]] = {
    "IQ1_S": [("d", "<f2"), ("qs", "u1", 32), ("qh", "<u2", 8)],
    "IQ1_M": [("qs", "u1", 32), ("qh", "u1", 16), ("scales", "<u2", 4)],
    "IQ2_XXS": [("d", "<f2"), ("groups", [("qs", "u1", 4), ("signs", "<u4")], 8)],
    "IQ2_XS": [("d", "<f2"), ("qs", "<u2", 32), ("scales", "u1", 8)],
    "IQ2_S": [("d", "<f2"), ("qs", "u1", 32), ("signs", "u1", 32), ("qh", "u1", 8), ("scales", "u1", 8)],
    "IQ3_XXS": [("d", "<f2"), ("qs", "u1", 64), ("signs", "<u4", 8)],
    "IQ3_S": [("d", "<f2"), ("qs", "u1", 64), ("qh", "u1", 8), ("signs", "u1", 32), ("scales", "u1", 4)],
}
"""The bytes of a block: 256 values each."""

LAYOUTS: dict[str, np.dtype[Any]] = {name: np.dtype(fields) for name, fields in FIELDS.items()}

TERNARY = (-1, 0, 1)
THREE = (8, 25, 43)
EIGHT = (4, 12, 20, 28, 36, 44, 52, 62)
ODD = (1, 3, 5, 7, 9, 11, 13, 15)

GRIDS: dict[str, tuple[tuple[int, ...], int, str]] = {
    "IQ1_S": (
        TERNARY,
        8,
        "c-k#eK}(!R7=CxE;dM-9V?RN1diSfb(^(PgE$L;EU0C#DLh=VZ*|bQ>IZZw%yXlwN6ha`hG?#HO$v6$G@ldv(umMk2dT8mb2WdTox*h^v8"
        "VtnDuD#8?@Vw9Syw7v(LR2?w<}y}3b9YJG^C&5*&qs>Nl?x;NhAB!%0hRecnsm$a2YwJ@;QqccSPG~@n#@N5uBY$^gNY22s7}?HYgoxmY#"
        "Y+!Ajh1yxWA4l1OzVO1-XRyWBes^wA;LAoBq<x!%nuPhFWp9`{&R@7DG%<XIwD^Is3Q$Jf@<B<<hd(0^?jzIHG8vQn*?-$Ub(LsHW&@kYN"
        "cQ%|}dP%c;av8KJU^mWiJv*28-WD<$YEG%#}+D!ES;XeDuFD(VlG#i@A4$V;H%7rH52w&LB_pg1xSvl=L<CZ@9?{WdkSxbxSuMq|l64F4M"
        "qT|O(RS}O@H(bLXvHn!_OntvSw2GXTKiD_6XGLxujp0!)qyF+V=7Bv?g3oFy??D1-6?{(2le%HQrc>Le(m#@Cb_P%)g$;r#{<KcsUbe#9?"
        "p_<1{H>jE?+1SCIq;Fwj@yPMjA_U90?}vdY$)D1%>fQq-z{36HBT$I&mG*v%J#A~V%aSj@pZtCEAg}V1eou`2@uUxU_YQ=)6;l3U7EjmAK"
        "r#y2F0kdO91c}@u6ikZ68>90+)KINV7E3oVy0wcNC7Qg*Gnz$6Ckekcj5w;yQl$8BcV}uIeIA*;9XR~L2uzcrHYS+2)y-rqrtcg6e{stpn"
        "$cM#il(dTBx(R&0u-;P1DmAvG}u@dX;b%ns9v~6p49X^c}lqEMlIFjzJBbrp$X4T{{D_p5YV7e^~xM<^E7<_56qcAaL=FI+lT|4v2#Y&dp"
        "W2-Egd@Fdf5G@Dheeu*|v(bMFD;1sQ1",
    ),
    "IQ2_XXS": (
        THREE,
        8,
        "c-nPRORB^$43oj#tB`je2YP^R=KfcCw)5@K5e=lV<VbEmf91ogR%p3E0BR^O#16P=^@J3)+t0mx___f>P^zDolEn6;is&dxI!#Zg_{Kuzk"
        "Vd4Mw`?l*l~*(z5~c8Qj-!-YZym34v`$TQ4<4*~)dpL;rq|+W4irx`d$&)6^vGb7UkLBrzcFbHqcf>sMFwRxr;MTG;*}m%Qlby-@@TSk)X"
        "7om@@#uKQIjUUWQ&$2&y}*gX5TV=Bc|Cuh1wL(2Kn3A3Yj<N%;gblzhT7_jxp@MF=lA5st5R^Hl2J=^JV`E{Z0D^#$6R7",
    ),
    "IQ2_XS": (
        THREE,
        8,
        "c-mc2TdsvL2pkgnkBRPwCicH3cK=&BJX-bM<{ZTW!^|+oxJIi-qkD|rsuaR~iB<*?x~C4>8J0pJW<V>X*vo#SY&(-c)w(<-fCU6QVt|)*="
        ">oJ=N8h~B3mmYKBw*Y)Ca<s*uvOak7T*la5<g=kAh?T96(5+bR(Mt@J=L5^n!u1sF+~=p=RjVCGbM+vDH*59tF!>kC`)-u3GzO}jM8X_r-"
        "*1ytubG*&a^iqGs?p-do}D8x2NWXU?%O)=7t88q040RdJ=Ak)9T+$YBcFD31^6BC_W+mG1}iEA-T}Oj@u6-pQ1yByIl9%`W3mW#F%j~<yh"
        "(N0zSL~oH^Zy%}}tQx4=M73#xoc?jNErTmD?iDs40;(&MG>YYMNuDE=SK;cc#9vM%q_=>7msuqjC",
    ),
    "IQ2_S": (
        THREE,
        8,
        "c-n1JU5W-F3~NE(E9iYHjPDBe{#V(wI=kPpE5rQ7#3X8F%Z9aF@G^(h-0EI3Em0|W3^QwctZ7zp0a8G#rYWS&oF&YfEj@sgh^u5FBBgC>L"
        "AkBEEtarKv-X}c)kMD5E9g)N*35uFS6j&;COQ!QC2=T0oAzp}=fs8f?3xctXeG?g^dQAA!2(KVP=j1x!<Qgx@l7F)Pu!TMd$m>{ZzEray("
        "N$AzRb24)#*U9zYZZF^+2!@EVQ9?ARiEH!J<ErE8usn4?()-BQhW*1pE<<S|Z6aT82aQO}QP4+el6zUY~*z7~Sl6pK?p!Q_DMIhH4w7?jo"
        "IO9P^#Dw9CRS7mu8OBC|vDii4FoWN_zK9m?6y$}qXC*pyH_2f!)+bXep&HXz~CYasM7Fd3(JhmM~KIbkHJ7yU4;E692~{FNElHOf~Fzm+T"
        "Bn!W(JyjC6",
    ),
    "IQ3_XXS": (
        EIGHT,
        4,
        "c-l=-F%H5o3_M%0RAmZ7_lgPeigaLyA4Q!IuVCbv_?)J2Rn;aw-<^~BWtxCXwzFx0%xW)eST<YW5KL&L;j#hAAHoX-c)&}FY<X@1m|7IGs"
        "jrX>q7@bAuHrcP3L2_`6x)_>^v5;&o?@Fdagv_Uo9H*utGOGEJ93R6P|L2rgx{U}Y-UnrS3sKYtPIbF!WdDS7|dsT<9UQCqzhJe8+4kK5k"
        "m%XvHjm=J(sMgqk-e3v^zjTJayVggoDWMJzTWE4a0T)3l-9P!ydlNePrBA?Xny*@kmBo4W|8$?wEo20v5Uy_5",
    ),
    "IQ3_S": (
        ODD,
        4,
        "c-k#d!AiqG5PdVu!e&pqA>uXNMyUCUt<-~hDT4SrX{pfmmf{D9Rs{Q#&TgE;z`Qr}-rMBob#A|%IbF{W(Id*&Lkwq!%0~0(%@Ao{OU0lD_"
        "x2OXCI^OquXIKLt}o^pYnG?L6&oz+9HeSVPSrN(A}t!YmF^Xmp*3Qy-5G8(e|b5Y-VC?q(AA>+32wuC)HmEXp@c1}PT|h83}iuXSwt^ePG"
        "kv?U+Lf3a_=1ov?9@{igP&9v4ypFswx3&TJZ@M2_=SuX>*z&qp%+CoXl)ge8!drA@5Agyn!FG+()?*sDei}n1QT95(J|p-wR7#Aht{0!Hx"
        "!aZfy;cl!bD4D3uqR(zW`GY5;6>@R{_|3X$jRqNR^eu)^e<Ll^vCYlKPU1;QQ+o$IB(hKom+bHx0SXmXXwyZnVo8~6jd#wQ>",
    ),
}
"""Levels, coordinates a point, and the set: bits, the lowest of a byte first, packed by zlib and written in base 85."""

ONE_EIGHTH = np.float32(0.125)


@functools.cache
def grid(name: str) -> Array:
    """Return the points of a grid, (points, coordinates), as float32.

    >>> {name: len(grid(name)) for name in GRIDS}
    {'IQ1_S': 2048, 'IQ2_XXS': 256, 'IQ2_XS': 512, 'IQ2_S': 1024, 'IQ3_XXS': 256, 'IQ3_S': 512}
    """
    levels, width, text = GRIDS[name]
    packed = np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint8)
    numbers = np.flatnonzero(np.unpackbits(packed, bitorder="little"))
    digits = numbers[:, None] // len(levels) ** np.arange(width) % len(levels)
    points: Array = np.array(levels, np.float32)[digits]
    points.flags.writeable = False
    return points


def _signs(flags: Array) -> Array:
    """Return 1 where a bit is not set and -1 where it is, (n, bytes) -> (n, bytes, 8)."""
    found: Array = np.float32(1) - np.float32(2) * bits(flags, 1)
    return found.reshape(*flags.shape, 8)


def _even_signs(codes: Array) -> Array:
    """Return eight signs of seven bits each: the eighth makes the number of minuses even."""
    seven = codes.astype(np.uint8) & np.uint8(127)
    parity = np.bitwise_count(seven) & np.uint8(1)
    return _signs(seven | parity << np.uint8(7))


def _points(name: str, numbers: Array, scales: Array, signs: Array) -> Array:
    """Return scale · point · sign, (n, 256): each scale, (n, groups), holds for as many points in a row."""
    n, groups = scales.shape
    width = 256 // groups
    points = grid(name)[numbers].reshape(n, groups, width)
    found: Array = scales[..., None] * points * signs.reshape(n, groups, width)
    return found.reshape(n, 256)


def _with_high_bits(low: Array, high: Array) -> Array:
    found: Array = low.astype(np.uint16) | high.astype(np.uint16) << np.uint16(8)
    return found


def _four_of_seven(words: Array) -> Array:
    """Return four numbers of seven bits of each word, (n, words) -> (n, 4 · words)."""
    found: Array = words[..., None] >> np.array([0, 7, 14, 21], np.uint32) & np.uint32(127)
    return found.reshape(len(words), 4 * words.shape[1])


def _half_steps(d: Array, scales: Array, factor: float) -> Array:
    """Return ``d * (1/2 + scale) * factor``."""
    found: Array = floats(d) * (np.float32(0.5) + scales.astype(np.float32)) * np.float32(factor)
    return found


def iq2_xxs(blocks: Array) -> Array:
    """8 groups of 32 values: 4 points of 8 coordinates, a scale of 4 bits, signs of 4 times 7 bits."""
    words = blocks["groups"]["signs"]
    scales = _half_steps(blocks["d"], words >> np.uint32(28), 0.25)
    numbers = blocks["groups"]["qs"].reshape(len(blocks), 32)
    return _points("IQ2_XXS", numbers, scales, _even_signs(_four_of_seven(words)))


def iq2_xs(blocks: Array) -> Array:
    """16 groups of 16 values: 2 points of 8 coordinates, each with signs of 7 bits; a scale of 4 bits."""
    qs = blocks["qs"]
    scales = _half_steps(blocks["d"], bits(blocks["scales"], 4), 0.25)
    return _points("IQ2_XS", qs & np.uint16(511), scales, _even_signs(qs >> np.uint16(9)))


def iq2_s(blocks: Array) -> Array:
    """16 groups of 16 values: 2 points of 8 coordinates; a scale of 4 bits; a sign for each value."""
    numbers = _with_high_bits(blocks["qs"], bits(blocks["qh"], 2))
    scales = _half_steps(blocks["d"], bits(blocks["scales"], 4), 0.25)
    return _points("IQ2_S", numbers, scales, _signs(blocks["signs"]))


def iq3_xxs(blocks: Array) -> Array:
    """8 groups of 32 values: 8 points of 4 coordinates, a scale of 4 bits, signs of 4 times 7 bits."""
    words = blocks["signs"]
    scales = _half_steps(blocks["d"], words >> np.uint32(28), 0.5)
    return _points("IQ3_XXS", blocks["qs"], scales, _even_signs(_four_of_seven(words)))


def iq3_s(blocks: Array) -> Array:
    """8 groups of 32 values: 8 points of 4 coordinates; an odd scale of 1 to 31; a sign for each value."""
    numbers = _with_high_bits(blocks["qs"], bits(blocks["qh"], 1))
    scales = floats(blocks["d"]) * (bits(blocks["scales"], 4) * np.uint8(2) + np.uint8(1))
    return _points("IQ3_S", numbers, scales, _signs(blocks["signs"]))


def _shifted(numbers: Array, scales: Array, lowered: Array) -> Array:
    """Return ``scale * (point ± 1/8)``, (n, 256); scales and whether to lower are one a point, (n, 32)."""
    points = grid("IQ1_S")[numbers] + np.where(lowered, -ONE_EIGHTH, ONE_EIGHTH)[..., None]
    found: Array = scales[..., None] * points
    return found.reshape(len(numbers), 256)


def iq1_s(blocks: Array) -> Array:
    """8 groups of 32 values: 4 points of 8 coordinates, an odd scale of 1 to 15, one shift up or down."""
    qh = blocks["qh"]
    high = qh[..., None] >> np.array([0, 3, 6, 9], np.uint16) & np.uint16(7)
    numbers = _with_high_bits(blocks["qs"], high.reshape(len(blocks), 32))
    scales = floats(blocks["d"]) * (np.uint16(2) * (qh >> np.uint16(12) & np.uint16(7)) + np.uint16(1))
    return _shifted(numbers, np.repeat(scales, 4, axis=1), np.repeat(qh >= 0x8000, 4, axis=1))


def iq1_m(blocks: Array) -> Array:
    """16 groups of 16 values: 2 points of 8 coordinates, each with its shift; an odd scale of 1 to 15.

    The block's own scale lies scattered: four bits at the top of each of four words.
    """
    words = blocks["scales"]
    parts = (words & np.uint16(0xF000)) >> np.array([12, 8, 4, 0], np.uint16)
    d = np.bitwise_or.reduce(parts, axis=1).view(np.float16)
    scales = (words[..., None] >> np.array([0, 3, 6, 9], np.uint16) & np.uint16(7)).reshape(len(blocks), 16)
    odd = floats(d) * (np.uint16(2) * scales + np.uint16(1))
    high = bits(blocks["qh"], 4)
    numbers = _with_high_bits(blocks["qs"], high & np.uint8(7))
    return _shifted(numbers, np.repeat(odd, 2, axis=1), high >= 8)
