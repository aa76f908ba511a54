"""netlab: the internet on your laptop, running and visible."""

__version__ = "0.1.0"
