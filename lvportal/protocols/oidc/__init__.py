"""The OpenID Connect relying party, pure: no web framework, no database.

One file per thing in the specifications. ``relying_party.py`` tells the story,
the others each judge one thing and can be read alone.
"""
