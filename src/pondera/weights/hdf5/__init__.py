"""HDF5 files, read without libhdf5: superblocks, groups, datasets, chunks."""
