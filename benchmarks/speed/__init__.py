"""Is skae fast? Each script ``bench_*.py`` answers one question."""
