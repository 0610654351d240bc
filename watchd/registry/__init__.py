"""The generic Registry: kinds as data, strategies, metadata rules, stored values."""
