"""The work of the fault tests: a repository's worth of tasks in two phases, and a wide fan-out."""

HEAD = """
name: faults
title: Work that is disturbed
inputs:
  control: {type: string, description: "Where agents are steered and tell what they do"}
agents:
  builder: {title: Writes files, function: "tests.faults.agents:Writes"}
  looker: {title: Changes nothing, function: "tests.faults.agents:Looks"}
  flaky: {title: Fails first, function: "tests.faults.agents:FailsFirst"}
  waiter: {title: Waits for a word, function: "tests.faults.agents:Waits"}
  deaf: {title: Does not stop, function: "tests.faults.agents:HearsNothing"}
  commander: {title: Runs a command, function: "tests.faults.agents:Commands"}
  talker: {title: Takes turns, function: "tests.faults.agents:Talks"}
  killer: {title: Kills its worker, function: "tests.faults.agents:KillsItsWorker"}
phases:
"""

# Twelve tasks: chains within an agent, joins between agents, a retry, checks at every level.
PROJECT = (
    HEAD
    + """
  - number: 0
    name: Ground
    tasks:
      - {key: plan, title: Plan, agent: builder, needs: [], milestone: planned}
      - {key: base, title: Base, agent: builder, needs: [plan], milestone: planned,
         produces: [0-base.txt]}
      - {key: shell, title: Shell, agent: builder, needs: [base]}
      - {key: talk, title: Talk, agent: talker, needs: []}
      - {key: odd, title: Odd, agent: flaky, needs: [plan],
         retry: {max: 3, backoff: fixed, base: 0.1}}
      - {key: look, title: Look, agent: looker, needs: [shell, talk]}
    milestones:
      - key: planned
        name: Planned
        checks:
          - {kind: file, name: The plan is there, path: 0-plan.txt, contains: ["0/plan"]}
    exit_criteria:
      - {kind: command, name: All is there, run: "test -e 0-shell.txt -a -e 0-odd.txt"}
  - number: 1
    name: House
    tasks:
      - {key: walls, title: Walls, agent: builder, needs: []}
      - {key: roof, title: Roof, agent: builder, needs: [walls],
         checks: [{kind: command, name: Walls stand, run: "test -e 1-walls.txt"}]}
      - {key: door, title: Door, agent: talker, needs: [], milestone: closed}
      - {key: window, title: Window, agent: flaky, needs: [door], milestone: closed,
         retry: {max: 3, backoff: fixed, base: 0.1}}
      - {key: dream, title: Dream, agent: looker, needs: [], files: false}
      - {key: paint, title: Paint, agent: builder, needs: [roof, window, dream]}
    milestones:
      - key: closed
        name: Closed
        checks: [{kind: file, name: A door, path: 1-door.txt}]
    exit_criteria:
      - {kind: file, name: Painted, path: 1-paint.txt}
"""
)


def one_phase(*tasks: str) -> str:
    """A workflow of these tasks, each a YAML mapping on one line."""
    lines = "\n".join(f"      - {task}" for task in tasks)
    return f"{HEAD}  - number: 0\n    name: Only\n    tasks:\n{lines}\n"


def fan_out(width: int, then: int = 0) -> str:
    """So many tasks without files that need nothing, and some that need the first of them."""
    look = "agent: looker, files: false"
    first = [f"{{key: t{n}, title: T{n}, {look}, needs: []}}" for n in range(width)]
    second = [f"{{key: u{n}, title: U{n}, {look}, needs: [t{n}]}}" for n in range(then)]
    return one_phase(*first, *second)
