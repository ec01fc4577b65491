"""Use cases of the portal, free of Flask. Each takes its database session and the time."""
