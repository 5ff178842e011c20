"""Other tools that the benchmarks run on the same data: their input files, their processes, their predictions."""
