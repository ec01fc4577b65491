"""The database's history, one revision a file. Run by ``lvportal database upgrade``."""
