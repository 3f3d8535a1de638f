"""Batch mode: files of requests, sent at the provider's lower price and fetched hours later, also by another run."""
