"""Audit: what a user's own experiment can be shown to know of the future, of its warm-up and of luck."""
