"""Files of people: read, compared with the accounts, shown, then written in one transaction or not at all."""
