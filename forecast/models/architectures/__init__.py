"""Torch modules of the long-horizon models; the specifications beside them import these on first use, for torch is heavy."""
