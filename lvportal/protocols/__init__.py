"""Sign-in protocols, free of Flask and of the database."""
