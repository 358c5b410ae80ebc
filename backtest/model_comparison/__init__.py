"""Model comparison: all models of a configuration on the same folds and seeds, judged by their forecasts alone."""
