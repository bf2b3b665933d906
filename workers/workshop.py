"""What all jobs of a worker process work with."""

from functools import cached_property

from conductor_app import prices
from conductor_app.bootstrap import Conductor
from conductor_app.prices import Prices
from workers.agents.registry import AgentRegistry
from workers.patience import Patience
from workers.sandbox import Sandbox


class Workshop:
    """The settings, the database, the agents, and what is found out about this machine once."""

    def __init__(self, conductor: Conductor) -> None:
        self.conductor = conductor
        self.patience = Patience(conductor)
        self.agents = AgentRegistry()

    @cached_property
    def sandbox(self) -> Sandbox:
        """How commands are confined here; raises SandboxUnavailable."""
        return Sandbox.detect(self.conductor.settings.sandbox)

    @property
    def prices(self) -> Prices:
        """What models cost, read anew for each attempt; raises InvalidSettings."""
        return prices.load(self.conductor.settings.home)
