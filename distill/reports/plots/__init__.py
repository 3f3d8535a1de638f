"""Inline SVG, drawn by small functions; colours are CSS classes so that light, dark and print share one drawing."""
