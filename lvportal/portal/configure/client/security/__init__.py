"""``/configure/client/security`` and what lies below it. A module is a page."""
