"""Training many models of one architecture at once: stacked layers, losses, and one loop over all folds."""
