"""What a WSGI server serves: ``wsgi:application``."""

from lvportal.factory import create_app

application = create_app()
