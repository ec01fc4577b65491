"""``/configure/users`` and ``/configure/agents``: the client's people."""
