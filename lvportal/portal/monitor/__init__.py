"""``/monitor``: sign-ins, sessions, audit."""
