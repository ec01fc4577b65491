"""Whole sign-ins against a provider that is bent per test."""
