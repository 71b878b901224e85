"""Training runs from data to card, generated sets, cost, the demo."""
