"""The plain relying party that everything is measured against."""
