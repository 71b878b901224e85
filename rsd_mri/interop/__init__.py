"""Ours for other libraries, and theirs for us: thin adapters; each library is needed only where its module is."""
