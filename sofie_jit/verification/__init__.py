"""Checks of compiled networks against references."""
