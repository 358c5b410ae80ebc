"""Rules that say where liquidity is placed, one file a rule."""
