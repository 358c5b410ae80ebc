"""Reproductions: published claims, run again beside the naive row."""
