"""The clickstream pipeline on Polars, PyArrow and PyIceberg, by weir's stack contract (docs/stacks.md)."""
