"""The engine: decisions in, fills and equity out."""
