"""The conditions of the partial indexes, for queries that are to use them.

SQLite uses such an index only for a condition that it can compare word by word, which it can't with
IN lists of parameters.
"""

from sqlalchemy import text

OPEN_EXECUTION = text("executions.status IN ('pending','running','paused')")
OPEN_JOB = text("jobs.status IN ('queued','active')")
FLYING_TASK = text("tasks.status IN ('queued','active','integrating')")
STUCK_TASK = text("tasks.current AND tasks.status IN ('failed','cancelled')")
PENDING_DECISION = text("decisions.status = 'pending'")
CURRENT_TASK = text("tasks.current")
CURRENT_PHASE = text("phases.current")
CURRENT_MILESTONE = text("milestones.current")
