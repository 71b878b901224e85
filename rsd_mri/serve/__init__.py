"""MRD streaming: raw data come in while the scanner measures, images go back.

`wire`, `settings`, `pipe`, `stream`, `session`, `workshop` and `server` import neither numpy nor torch: the port listens
before these are there. All that needs them runs in a process of its own, `worker`.
"""
