"""Metered data: files as they come, each row judged, readings signed by their meters."""
