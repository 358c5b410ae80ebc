"""Liquidity positions: accounts, policies, walk-forward and what remains net of holding."""
