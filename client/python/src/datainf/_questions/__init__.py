"""Questions that people ask of a run, and their results. `datainf` re-exports what is public."""
