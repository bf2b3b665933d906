"""The agents and connectors that come with Conductor, as document 000 and 002 have them.

The agents' tools are in `tool_specs`; workers perform what is only described here.
"""

from collections.abc import Mapping

from conductor_app.domain.workflow import AgentSpec

# What this version reaches. A template may name others: `check` warns, and no start is possible.
CONNECTORS: tuple[str, ...] = (
    *("claude", "claude2", "codex", "deepseek"),
    *("command", "acp"),
    "replay",
)

# What is told in a connector's place of an agent written in Python.
FUNCTION = "function"

MODELS = AgentSpec(
    name="models",
    title="Agent Models",
    priority=10,
    base_seconds=20,
    multipliers={0: 0.5, 1: 1.5, 2: 1.0, 3: 1.0, 4: 1.0, 5: 1.25},
    capabilities={
        0: ("base interfaces", "error types", "response structures"),
        1: ("requirement models", "audit models", "version models"),
        2: ("link types", "traceability types"),
        3: ("event types", "presence types", "notification types"),
        4: ("quality types", "review types"),
        5: ("integration payloads", "OAuth types", "webhook types"),
    },
)
API = AgentSpec(
    name="api",
    title="Agent API",
    depends_on=("models",),
    priority=8,
    base_seconds=30,
    multipliers={0: 1.5, 1: 3.0, 2: 2.5, 3: 1.5, 4: 2.0, 5: 3.0},
    capabilities={
        0: ("health endpoints",),
        1: ("CRUD endpoints", "validation", "error handling", "pagination"),
        2: ("link management", "matrix APIs"),
        3: ("endpoint coordination", "WebSocket fallback"),
        4: ("validation APIs", "review APIs", "approval APIs"),
        5: ("OAuth callbacks", "Jira APIs", "Slack APIs", "webhook handlers"),
    },
)
REALTIME = AgentSpec(
    name="realtime",
    title="Agent Realtime",
    depends_on=("models", "api"),
    priority=7,
    base_seconds=45,
    multipliers={1: 0.2, 2: 0.2, 3: 2.0, 4: 0.5, 5: 0.5},
    capabilities={
        1: ("basic event emission",),
        2: ("basic event emission",),
        3: (
            "WebSocket server",
            "presence tracking",
            "comments",
            "live updates",
            "room broadcast",
            "connection management",
        ),
        4: ("notifications",),
        5: ("notifications",),
    },
)
QUALITY = AgentSpec(
    name="quality",
    title="Agent Quality",
    depends_on=("models", "api"),
    priority=6,
    base_seconds=50,
    multipliers={1: 0.2, 2: 0.5, 3: 0.5, 4: 2.5, 5: 1.5},
    capabilities={
        1: ("basic validation", "integrity checks"),
        2: ("basic validation", "integrity checks"),
        3: ("basic validation", "integrity checks"),
        4: (
            "ambiguity detection",
            "review workflows",
            "approval enforcement",
            "quality metrics",
            "quality dashboard",
        ),
        5: ("integration data validation",),
    },
)
TEST = AgentSpec(
    name="test",
    title="Agent Test",
    depends_on=("api", "models"),
    priority=5,
    base_seconds=60,
    multipliers={0: 0.5, 1: 1.5, 2: 1.5, 3: 2.5, 4: 2.0, 5: 2.5},
    capabilities={
        0: ("health tests", "database connectivity tests", "Docker tests"),
        1: ("API tests", "CRUD tests", "audit tests"),
        2: ("link tests", "traceability tests", "coverage tests"),
        3: ("WebSocket tests", "presence tests", "load tests"),
        4: ("NLP tests", "workflow tests", "metrics tests"),
        5: ("OAuth tests", "integration tests", "security scans"),
    },
)
INTEGRATION = AgentSpec(
    name="integration",
    title="Agent Integration",
    depends_on=("models", "api", "quality"),
    priority=4,
    base_seconds=70,
    multipliers={5: 2.0},
    capabilities={
        5: (
            "OAuth 2.0",
            "Jira",
            "Slack",
            "webhooks",
            "rate limiting",
            "API key management",
            "health checks",
            "retry logic",
            "security validation",
        ),
    },
)

# The roles of document 002: whatever the phase, they can do the same.
ANALYST = AgentSpec(
    name="analyst",
    title="Analyst",
    priority=9,
    base_seconds=60,
    skills=("requirements analysis", "system design", "risk assessment"),
    connector="claude",
)
IMPLEMENTER = AgentSpec(
    name="implementer",
    title="Implementer",
    priority=8,
    base_seconds=120,
    skills=("API development", "algorithms", "optimization"),
    connector="claude",
)
VALIDATOR = AgentSpec(
    name="validator",
    title="Validator",
    priority=6,
    base_seconds=60,
    skills=("code review", "security audit", "test generation"),
    connector="claude2",
)
INTEGRATOR = AgentSpec(
    name="integrator",
    title="Integrator",
    priority=4,
    base_seconds=90,
    skills=("CI/CD", "monitoring", "environment setup"),
    connector="claude",
)
REASONER = AgentSpec(
    name="reasoner",
    title="Reasoner",
    priority=7,
    base_seconds=90,
    skills=("algorithm optimization", "complexity analysis", "bottlenecks"),
    connector="deepseek",
)

AGENTS: Mapping[str, AgentSpec] = {
    agent.name: agent
    for agent in (
        *(MODELS, API, REALTIME, QUALITY, TEST, INTEGRATION),
        *(ANALYST, IMPLEMENTER, VALIDATOR, INTEGRATOR, REASONER),
    )
}
