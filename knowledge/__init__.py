"""The guides that ship with the product, as package data."""
