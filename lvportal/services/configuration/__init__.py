"""Configuration as code: a file says what clients, people and connections should be.

Four steps, one module each: ``json_lines`` reads JSON and knows every value's
line, ``reading`` judges the file by its schema and resolves secrets, ``planning``
compares it with the database, ``writing`` makes it so.
"""

from lvportal.services.configuration.applying import apply, plan
from lvportal.services.configuration.problems import FileRefused, Problem
from lvportal.services.configuration.reading import read

__all__ = ["FileRefused", "Problem", "apply", "plan", "read"]
