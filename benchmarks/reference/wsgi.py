"""What gunicorn serves: ``benchmarks.reference.wsgi:application``."""

from benchmarks.reference.app import create_app

application = create_app()
