"""Parsers: saved models of other libraries -> RModel."""
