"""Selection: which strategies to deploy on what was known, and how much of the choice is luck."""
