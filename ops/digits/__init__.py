"""The quickstart's program: trains on handwritten digits, streams, asks, checks, reports."""
