"""A benchmark for each number of SPECIFICATION.md, beside its floor, measured in the same run."""
