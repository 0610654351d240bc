"""The chain of members that may change or refuse a write."""
