"""The configuration: what loads, what is refused, and with which words."""
