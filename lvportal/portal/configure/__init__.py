"""Pages under Configure."""
