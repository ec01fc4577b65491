"""What a WSGI server serves: ``wsgi:application``."""

import gc

from lvportal.factory import create_app

application = create_app()

# What the start has made stays for good: the collector need not walk it again at
# every turn. A request leaves little that only the collector can free.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
