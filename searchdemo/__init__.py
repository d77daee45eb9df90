"""searchdemo: see, measure and keep what similarity search on images does."""

__version__ = "0.1.0"
