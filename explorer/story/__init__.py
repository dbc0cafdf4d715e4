"""Talks that run inside the app: their files, the figure of every step, a slide of it, the whole as one HTML file."""
