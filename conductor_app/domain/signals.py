"""What may be noticed while working and need action, as document 002 has it."""

from enum import StrEnum


class SignalType(StrEnum):
    REQUIREMENT = "requirement"
    DECISION_NEEDED = "decision_needed"
    INNOVATION = "innovation"
    QUALITY_ISSUE = "quality_issue"
    INTEGRATION = "integration"
