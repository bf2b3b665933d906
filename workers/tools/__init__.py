"""The tools that agents work with: confined to the worktree, one result for every call."""
