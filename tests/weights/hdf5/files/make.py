"""Writes the HDF5 files of this folder, and their values as expected.npz. Run with h5py installed: python make.py"""

from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

HERE = Path(__file__).parent
EXPECTED: dict[str, np.ndarray] = {}
KINDS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "?"] + [
    f"{o}{k}{n}" for o in "<>" for k in "iu" for n in (1, 2, 4, 8)
]


def put(group: h5py.Group, path: str, data: np.ndarray, **how: object) -> None:
    """Write a dataset, and keep what it should read as."""
    made = group.create_dataset(path, data=data, **how)
    key = made.name[1:]
    if data.dtype == ml_dtypes.bfloat16:
        EXPECTED[key] = data.astype(np.float32)
    else:
        EXPECTED[key] = data.astype(data.dtype.newbyteorder("="))


def fill(file: h5py.File) -> None:
    """Write every dtype, every layout and every kind of attribute."""
    random = np.random.default_rng(0)
    for at, kind in enumerate(dict.fromkeys(np.dtype(kind).str for kind in KINDS)):
        values = random.integers(0, 2 if kind == "|b1" else 100, (2, 3)).astype(kind)
        put(file, f"kinds/{at}_{np.dtype(kind).name}", values)
    put(file, "kinds/bfloat16", np.arange(4).astype(ml_dtypes.bfloat16))
    file["kinds/bfloat16"].attrs["dtype"] = "bfloat16"
    put(file, "number", np.array(3.5))
    put(file, "empty", np.zeros((0, 3)))
    squares = np.arange(7 * 9, dtype="f4").reshape(7, 9)
    put(file, "chunks/plain", squares, chunks=(3, 4))
    put(file, "chunks/one", squares, chunks=(7, 9))
    put(file, "chunks/deflate", squares, chunks=(3, 4), compression="gzip")
    put(file, "chunks/shuffle", squares.astype(">i2"), chunks=(2, 9), compression="gzip", shuffle=True)
    put(file, "chunks/checked", squares, chunks=(3, 4), compression="gzip", shuffle=True, fletcher32=True)
    put(file, "chunks/single", squares, chunks=(7, 9), compression="gzip")
    sparse = file.create_dataset("chunks/sparse", (6, 6), "f4", chunks=(2, 2), fillvalue=7)
    sparse[2:4, 2:4] = 1
    EXPECTED["chunks/sparse"] = sparse[:]
    file.create_dataset("unwritten", (3, 2), "f4", fillvalue=2.5)
    EXPECTED["unwritten"] = np.full((3, 2), 2.5, "f4")
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    made = h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3,)), compact)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2, 3], "f4"))
    EXPECTED["compact"] = np.array([1, 2, 3], "f4")
    for at in range(10):
        put(file, f"many/{at:02}", np.array([at], "i2"))
    file["named"] = np.dtype(">f4")
    put(file, "of_a_named_type", np.arange(3, dtype=">f4"), dtype=file["named"])
    put(file, "also_of_it", np.arange(4, dtype=">f4"), dtype=file["named"])
    file["texts"] = ["a", "b"]
    file["alias"] = file["number"]
    file["soft"] = h5py.SoftLink("/number")
    file["far"] = h5py.ExternalLink("other.h5", "/number")
    file["record"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
    file["nothing"] = h5py.Empty("f4")
    file.attrs["title"] = "größer"
    file.attrs["names"] = ["one", "two"]
    file.attrs["fixed"] = np.array([b"kernel", b"bias"])
    file.attrs["rate"] = 0.5
    file.attrs["sizes"] = np.array([1, 2, 3])
    file.attrs["none"] = np.array([])
    for at in range(12):
        file["many"].attrs[f"a{at}"] = at


def main() -> None:
    """Write all files."""
    for name, how in {
        "earliest": {"libver": "earliest"},
        "v108": {"libver": ("v108", "v108"), "track_order": True},
        "latest": {"libver": "latest"},
    }.items():
        with h5py.File(HERE / f"{name}.h5", "w", **how) as file:
            fill(file)
    with h5py.File(HERE / "user_block.h5", "w", userblock_size=512) as file:
        put(file, "a/b", np.arange(3.0))
    with h5py.File(HERE / "paged.h5", "w", libver="latest") as file:
        put(file, "pages", np.arange(1100, dtype="u1"), chunks=(1,))
    with h5py.File(HERE / "deep.h5", "w", libver="latest") as file:
        put(file, "first", np.array([1], "i2"))
        for at in range(200):
            file[f"name_{at:03}"] = file["first"]
    np.savez_compressed(HERE / "expected.npz", **EXPECTED)


if __name__ == "__main__":
    main()
