"""The benches: published experiments and comparisons with other tools."""
