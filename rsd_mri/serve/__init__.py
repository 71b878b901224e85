"""MRD streaming: raw data come in while the scanner measures, images go back.

The port listens before numpy and torch are there: `wire`, `settings`, `pipe`, `stream`, `session`, `workshop` and
`server` import neither. All that needs them runs in a process of its own, `worker`.
"""
