"""The Gradio page and the app that it is mounted in."""
