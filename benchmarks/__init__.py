"""Measurements of the portal against a plain relying party. Run ``benchmarks/run``."""
