"""Writes an RModel as a file of another format."""
