"""The single sign-on address of each client, on both hosts."""

from lvportal.sso.pages import bp

__all__ = ["bp"]
