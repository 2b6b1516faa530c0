"""Artefacts that scripts in this repository made; each has the script that makes it."""
