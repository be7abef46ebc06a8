"""What a fuzz writes into files of a kind: words of their languages, and what is hard to read in any."""

from __future__ import annotations

BYTES = (0, 1, 0x0A, 0x20, 0x2E, 0x7F, 0x80, 0xC0, 0xFE, 0xFF)
"""Bytes that are often special."""

NUMBERS = (
    0, 1, 2, 3, 7, 8, 31, 32, 63, 64, 65, 127, 128, 255, 256, 4095, 4096, 32767, 65535, 65536, 1 << 20, 1 << 26,
    (1 << 28) + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 53) + 1, 1 << 58, 1 << 60,
    (1 << 62) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8,
)  # fmt: skip
"""Numbers around which arithmetic of 8 to 64 bits goes wrong."""

TOKENS: dict[str, tuple[bytes, ...]] = {
    "json": (
        b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"-1", b"0", b"1e400", b"-0", b"NaN", b"Infinity",
        b"9" * 400, b"18446744073709551616", b"9223372036854775807", b"0.5", b'"\\ud800"', b'"\\u0000"', b'"\\n"',
        b'""', b"[" * 3000, b'{"a":' * 3000, b'"../x"', b'"/etc/passwd"', b'"."', b'"a":{},', b'"F6_E2M3"', b'"C64"',
        b'"F4"', b'"dtype"', b'"shape"', b'"data_offsets"', b'"__metadata__"', b'"weight_map"', b'"\xf0\x9f\x98\x80"',
    ),
    "python": (
        b"(", b")", b"[", b"]", b"{", b"}", b"'", b",", b":", b"-", b"+", b"1", b"-1", b"0", b"1e400", b"1j", b"True",
        b"None", b"|O", b"<O", b">f8", b"<c16", b"|b1", b"<f2", b"|V4", b"<U4", b"<M8[ns]", b"f4,f4", b"(3,)f4",
        b"'f4'", b"9" * 400, b"9" * 5000, b"18446744073709551616", b"4611686018427387904", b"\\", b"'\\d'", b"\x00",
        b"\xff", b"#", b"\n", b"(" * 300, b"-" * 3000, b"f''", b"b'x'", b"__import__('os').system('x')", b"lambda:0",
        b"[0]*9", b"_", b"0x7", b"1_0", b"()", b"{}", b"a.b", b"...", b"shape", b"descr", b"fortran_order",
        b"bfloat16", b"e", b"=f4",
    ),
    "pickle": (
        b".", b"(", b")", b"]", b"}", b"0", b"1", b"2", b"a", b"e", b"s", b"u", b"b", b"R", b"t", b"l", b"d", b"Q",
        b"N", b"o", b"\x81", b"\x85", b"\x86", b"\x87", b"\x88", b"\x8f", b"\x90", b"\x91", b"\x92", b"\x93", b"\x94",
        b"q\x00", b"h\x00", b"h\x01", b"cos\nsystem\n", b"cbuiltins\neval\n", b"cbuiltins\ngetattr\n",
        b"(X\x01\x00\x00\x00aios\nsystem\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n",
        b"ctorch\nFloatStorage\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n",
        b"cnumpy.core.multiarray\nscalar\n", b"ctorch\nfloat32\n", b"c__main__\nX\n", b"ccollections\ndefaultdict\n",
        b"cbuiltins\nset\n", b"ctorch\nSize\n", b"c_codecs\nencode\n", b"cargparse\nNamespace\n",
        b"J\xff\xff\xff\xff", b"M\xff\xff", b"K\x00", b"\x8a\x08" + b"\xff" * 7 + b"\x7f",
        b"\x8a\xff" + b"\x7f" * 255, b"G" + b"\x7f\xf8" + bytes(6), b"\x8d" + b"\xff" * 8, b"X\xff\xff\xff\xff",
        b"X\x03\x00\x00\x00\xed\xa0\x80", b"\x8c\x01\n", b"U\x02\xff\xfe", b"I99\n", b"F1e999\n", b"F1_0\n", b"L9L\n",
        b"S'\\x41'\n", b"V\\ud800\n", b"V\\uzzzz\n", b"p0\n", b"g0\n", b"Pabc\n", b"r\xff\xff\xff\xff", b"\x80\x02",
        b"\x95" + bytes(8),
    ),
}  # fmt: skip
"""What is put into texts and pickles: what often means something, or is hard to read."""
