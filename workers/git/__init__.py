"""Git as Conductor uses it: the git program with fixed arguments, refs by compare-and-swap."""
