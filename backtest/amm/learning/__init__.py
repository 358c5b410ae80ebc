"""Learning where to place liquidity: features, a dueling double Q network, and its training in the environment."""
