"""The whole paper on one page: `python -m studies.paper RESULTS`, built from what the studies have stored there."""
