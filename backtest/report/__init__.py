"""Report: a Run as one self-contained HTML file."""
