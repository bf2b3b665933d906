"""Built-in workflow templates, their recordings, and the loader of templates."""
