"""The tests; shared fakes are in fakes.py."""
