"""Models of where a pool will trade, one file a family."""
