"""Files made to be nasty, for stats_reference.py: each function writes its own into a folder."""

import os
import struct

import h5py
import numpy as np


def good_arrays():
    rng = np.random.default_rng(7)
    big = 2 ** 62
    top = np.finfo("f8").max
    tiny = 5e-324
    return {
        "normal": rng.normal(size=20000),
        "normal32": rng.normal(size=20001).astype("f4"),
        "half": rng.normal(size=501).astype("f2"),
        "longdouble": rng.normal(size=301).astype(np.longdouble),
        "big_endian": rng.normal(size=1000).astype(">f8"),
        "big_endian32": rng.normal(size=1000).astype(">f4"),
        "big_endian_int": rng.integers(-1000, 1000, 999).astype(">i2"),
        "scalar": np.float64(3.25),
        "scalar_int": np.int32(-7),
        "one": np.array([42.0]),
        "bool": rng.integers(0, 2, 100).astype(bool),
        "cancel": np.tile([1e16, 1.0, -1e16], 5000),
        "cancel_hard": np.array([1e308, 1.0, -1e308, 1e-300, 3.0]),
        "cancel_32": np.tile(np.array([1e30, 1.0, -1e30], "f4"), 3333),
        "offset": 1e9 + rng.normal(size=20000) * 1e-3,
        "offset_far": 1e15 + rng.integers(0, 3, 9999).astype("f8"),
        "huge": np.full(1000, 1e308),
        "huge_both": np.tile([1e308, -1e308], 500),
        "max_both": np.array([top, -top, top]),
        "max_mixed": np.array([top, -top, 1.0, 2.0, 3.0, top]),
        "denormal": np.array([tiny, 2 * tiny, 3 * tiny, 7 * tiny]),
        "denormals": rng.integers(0, 2 ** 40, 3000).astype("u8").view("f8"),
        "mixed_scale": 10.0 ** rng.uniform(-300, 300, 5000),
        "equal": np.full(12345, 0.1),
        "equal_int": np.full(777, -3, "i8"),
        "equal_huge": np.full(100, 1e300),
        "almost_equal": np.append(np.full(9999, 0.1), np.nextafter(0.1, 1)),
        "negative_zero": np.array([-0.0, 0.0, -0.0]),
        "nan_some": np.where(rng.random(5000) < 0.3, np.nan, rng.normal(size=5000)),
        "inf_some": np.where(rng.random(5000) < 0.1, np.inf, rng.normal(size=5000)).astype("f4"),
        "inf_minus": np.array([-np.inf, 1.0, 2.0, np.inf, np.nan]),
        "nan_only": np.full(50, np.nan),
        "empty": np.zeros((0,)),
        "empty_3d": np.zeros((3, 0, 4), "i4"),
        "int_62": np.tile(np.array([big, big + 1, big + 2], "i8"), 3000),
        "int_extremes": np.array([-2 ** 63, 2 ** 63 - 1, 0, 5], "i8"),
        "int_extremes_2": np.array([-2 ** 63, 2 ** 63 - 1], "i8"),
        "int_min": np.array([-2 ** 63, -2 ** 63, -2 ** 63 + 1], "i8"),
        "uint_top": np.array([2 ** 64 - 1, 2 ** 64 - 2, 2 ** 64 - 3], "u8"),
        "uint_extremes": np.array([0, 2 ** 64 - 1, 2 ** 63], "u8"),
        "uint_62": np.tile(np.array([big, big + 1, big + 2], "u8"), 500),
        "int_one_off": np.append(np.full(20000, big, "i8"), big + 1),
        "i1": rng.integers(-128, 128, 5000).astype("i1"),
        "u1": rng.integers(0, 256, 5000).astype("u1"),
        "i2": rng.integers(-2 ** 15, 2 ** 15, 5000).astype("i2"),
        "u2": rng.integers(0, 2 ** 16, 5000).astype("u2"),
        "i4": rng.integers(-2 ** 31, 2 ** 31, 5000).astype("i4"),
        "u4": rng.integers(0, 2 ** 32, 5000).astype("u4"),
        "on_edges": np.repeat(np.linspace(0, 1, 51), 7),
        "on_edges_7": np.repeat(np.linspace(-0.3, 0.7, 51), 3),
        "integers_as_doubles": rng.integers(0, 51, 8000).astype("f8"),
    }


def write_good(folder):
    rng = np.random.default_rng(11)
    path = os.path.join(folder, "good:with colon.h5")
    with h5py.File(path, "w") as f:
        for name, array in good_arrays().items():
            f[name] = array
        cube = rng.normal(size=(37, 53, 71))
        f.create_dataset("group/cube", data=cube)
        f.create_dataset("group/chunked", data=cube, chunks=(5, 53, 8), compression="gzip",
                         shuffle=True, fletcher32=True)
        f.create_dataset("group/unlimited", data=cube[:7], maxshape=(None, None, None),
                         chunks=(16, 64, 128))
        f.create_dataset("group/tiny_chunks", data=np.arange(999), chunks=(1,))
        f.create_dataset("group/scaleoffset", data=np.arange(9999), chunks=(100,), scaleoffset=0)
        f.create_dataset("never_written", shape=(1000,), dtype="f8", fillvalue=2.5)
        f.create_dataset("never_written_chunked", shape=(1000, 3), chunks=(10, 3), dtype="i2")
        f.create_dataset("compact", data=np.arange(10.0)).attrs["units"] = "m s-1"
        f["null"] = h5py.Empty("f8")
        f["hard/linked_again"] = f["normal"]
        f["soft"] = h5py.SoftLink("/normal")
        scale = f.create_dataset("axis", data=np.arange(37) * 0.5)
        scale.make_scale("axis")
        f["group/cube"].dims[0].attach_scale(scale)
        bare = f.create_dataset("bare_axis", shape=(53,), dtype=">f4")
        bare.make_scale("This is a netCDF dimension but not a netCDF variable.%10d" % 53)
        color = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 42}, basetype="i2")
        f.create_dataset("enum", data=np.array([0, 1, 42, 42], "i2"), dtype=color)
    return path


def write_big(folder):
    """Datasets of several blocks, cut in every way that the plan knows."""
    rng = np.random.default_rng(13)
    path = os.path.join(folder, "big.h5")
    with h5py.File(path, "w") as f:
        line = rng.normal(50, 3, 3_000_000)
        f["line"] = line
        f["line32"] = line.astype("f4")
        f["rows"] = line.reshape(3, 1_000_000)
        f["planes"] = line.reshape(300, 100, 100)
        f.create_dataset("chunks", data=line.reshape(3000, 1000), chunks=(64, 300), compression=1)
        f.create_dataset("one_chunk", data=line, chunks=(3_000_000,), compression=1, shuffle=True)
        f.create_dataset("large_chunks", data=line.reshape(30, 100000), chunks=(20, 80000))
        f.create_dataset("bytes", data=(line % 100).astype("u1"), chunks=(2_500_000,), compression=1)
        f["cancel"] = np.concatenate([line * 1e15, np.ones(1000), -line[::-1] * 1e15])
    return path


def write_bad(folder):
    """Path to the text that its one error must contain."""
    def at(name):
        return os.path.join(folder, name)

    bad = {at("missing.h5"): "No such file", folder: "directory"}
    with open(at("text.h5"), "w") as f:
        f.write("This is not HDF5.\n")
    bad[at("text.h5")] = "not an HDF5 file"
    open(at("empty.h5"), "w").close()
    bad[at("empty.h5")] = "empty"
    for name, head, text in (("a.nc.gz", b"\x1f\x8b\x08\0", "gzip"), ("a.grib", b"GRIB", "GRIB"),
                             ("a.hdf", b"\x0e\x03\x13\x01", "HDF4"), ("a.fits", b"SIMPLE  =", "FITS")):
        with open(at(name), "wb") as f:
            f.write(head + bytes(100))
        bad[at(name)] = text
    os.makedirs(at("store.zarr"), exist_ok=True)
    open(at("store.zarr/.zgroup"), "w").close()
    bad[at("store.zarr")] = "Zarr"
    with h5py.File(at("whole.h5"), "w") as f:
        f["x"] = np.arange(10000.0)
    with open(at("whole.h5"), "rb") as whole, open(at("truncated.h5"), "wb") as f:
        f.write(whole.read()[:30000])
    bad[at("truncated.h5")] = "truncated"
    return bad


def write_mixed(folder):
    """A file with good and bad datasets: dataset to the text of its error, and what is skipped."""
    path = os.path.join(folder, "mixed.h5")
    with h5py.File(path, "w") as f:
        f["a_good"] = np.arange(5.0)
        f["compound"] = np.zeros(3, [("a", "i4"), ("b", "f8")])
        f["complex"] = np.zeros(3, "c16")
        f["vlen_string"] = "text"
        f["string"] = np.array([b"ab", b"cd"])
        f.create_dataset("vlen", (2,), h5py.vlen_dtype("i4"))
        f.create_dataset("opaque", data=np.array([b"ab"], "V2"))
        f.create_dataset("reference", (1,), h5py.ref_dtype)
        array = h5py.h5t.array_create(h5py.h5t.NATIVE_INT32, (3,))
        h5py.h5d.create(f.id, b"array", array, h5py.h5s.create_simple((2,)))
        h5py.h5d.create(f.id, b"bitfield", h5py.h5t.STD_B8LE, h5py.h5s.create_simple((2,)))
        corrupt = f.create_dataset("corrupt", data=np.arange(4000.0), chunks=(1000,),
                                   compression="gzip")
        f["external"] = h5py.ExternalLink("not_there.h5", "/x")
        f["dangling"] = h5py.SoftLink("/nowhere")
        f["z_good"] = np.arange(7)
        corrupt.id.write_direct_chunk((2000,), b"this is no zlib stream")
    return path, {
        "/corrupt": "inflate",
        "/external": "broken external link to not_there.h5:/x",
        "/dangling": "dangling soft link to /nowhere",
    }, {
        "/vlen_string": "variable-length string",
        "/string": "string",
        "/opaque": "opaque",
        "/reference": "reference",
    }


def write_unknown_filter(folder):
    """A dataset whose filter number no library has: 305, written over gzip's in the file."""
    path = os.path.join(folder, "filter.h5")
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=np.arange(1000.0), chunks=(100,), compression="gzip",
                         compression_opts=3)
        f["y"] = np.arange(3.0)
    with open(path, "rb") as f:
        content = f.read()
    entry = struct.pack("<HHHH", 1, 8, 1, 1) + b"deflate\0"
    assert content.count(entry) == 1, "the test cannot find the filter in its own file"
    content = content.replace(entry, struct.pack("<HHHH", 305, 8, 1, 1) + b"unknown\0")
    with open(path, "wb") as f:
        f.write(content)
    return path


def write_broken_units(folder):
    """A good dataset whose attribute "units" cannot be read: its text lies in a broken heap."""
    path = os.path.join(folder, "units.h5")
    with h5py.File(path, "w") as f:
        f["x"] = np.arange(5.0)
        f["x"].attrs["units"] = "a text in the global heap"
    with open(path, "rb") as f:
        content = f.read()
    assert content.count(b"GCOL") == 1, "the test cannot find the heap in its own file"
    with open(path, "wb") as f:
        f.write(content.replace(b"GCOL", b"LOST"))
    return path


def write_virtual(folder):
    """Virtual datasets with their sources, one kind of hole each; dataset to its error or None."""
    inner = os.path.join(folder, "inner")
    os.makedirs(inner, exist_ok=True)
    with h5py.File(os.path.join(inner, "source %1.h5"), "w") as f:
        f["x"] = np.arange(4.0)
    with open(os.path.join(inner, "text.h5"), "w") as f:
        f.write("This is not HDF5.\n")

    path = os.path.join(inner, "virtual.h5")
    with h5py.File(path, "w") as f:
        f["here"] = np.arange(4.0)

        def add(name, *sources):
            layout = h5py.VirtualLayout((len(sources), 4), "f8")
            for i, (file, dataset) in enumerate(sources):
                layout[i] = h5py.VirtualSource(file, dataset, (4,))
            f.create_virtual_dataset(name, layout, fillvalue=-1)

        good = ("source %%1.h5", "x")
        add("all_there", good, (".", "here"), (os.path.join(inner, "source %%1.h5"), "x"))
        # An absolute name of another machine: HDF5 looks for its last part beside the file.
        add("moved", ("/not/there/source %%1.h5", "x"))
        add("no_file", good, ("gone.h5", "x"))
        add("no_dataset", good, ("source %%1.h5", "gone"))
        add("no_dataset_here", (".", "nowhere/at/all"))
        add("no_hdf5", ("text.h5", "x"))
        add("nested", (".", "all_there"), (".", "no_file"))
        add("itself", (".", "itself"))
    return path, {
        "/all_there": None,
        "/moved": None,
        "/no_file": "its source gone.h5:x cannot be read: there is no such file",
        "/no_dataset": "its source source %1.h5:gone cannot be read: no such dataset",
        "/no_dataset_here": f"its source {path}:nowhere/at/all cannot be read: no such dataset",
        "/no_hdf5": "its source text.h5:x cannot be read: not an HDF5 file",
        "/nested": "its source gone.h5:x cannot be read",
        "/itself": "too many datasets",
    }
