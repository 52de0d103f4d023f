"""Where frames come from: one class a file, over `base.Source`."""
