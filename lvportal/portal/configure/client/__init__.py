"""Pages under Configure > Client."""
